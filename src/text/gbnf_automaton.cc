#include "text/gbnf_automaton.h"

#include <algorithm>

namespace wring::gbnf {
namespace {

// Glushkov: first and last states of each part; what stands side by side is linked.
class AutomatonBuilder {
 public:
  explicit AutomatonBuilder(const Syntax& syntax) : syntax_(syntax) {}

  Automaton Build(uint32_t node) {
    const Part whole = Add(node);
    out_.first = whole.first;
    out_.last.assign(out_.chars.size(), false);
    for (const uint32_t s : whole.last) out_.last[s] = true;
    for (auto& next : out_.next) {
      std::sort(next.begin(), next.end());
      next.erase(std::unique(next.begin(), next.end()), next.end());
    }
    return std::move(out_);
  }

 private:
  struct Part {
    std::vector<uint32_t> first, last;
    bool nullable = true;
  };

  void Link(const Part& a, const Part& b) {
    for (const uint32_t s : a.last)
      out_.next[s].insert(out_.next[s].end(), b.first.begin(), b.first.end());
  }
  Part Then(Part a, const Part& b) {
    Link(a, b);
    if (a.nullable) a.first.insert(a.first.end(), b.first.begin(), b.first.end());
    if (!b.nullable) a.last.clear();
    a.last.insert(a.last.end(), b.last.begin(), b.last.end());
    a.nullable = a.nullable && b.nullable;
    return a;
  }
  Part Repeat(const Node& n) {
    Part all;
    const uint32_t copies = n.max == kNoLimit ? std::max(n.min, 1U) : n.max;
    for (uint32_t i = 0; i < copies; ++i) {
      Part one = Add(n.children[0]);
      if (n.max == kNoLimit && i + 1 == copies) Link(one, one);
      if (i >= n.min) one.nullable = true;
      all = Then(std::move(all), one);
    }
    return all;
  }
  Part Add(uint32_t node) {
    const Node& n = syntax_.nodes[node];
    Part part;
    switch (n.kind) {
      case NodeKind::kChar:
        part.first = part.last = {static_cast<uint32_t>(out_.chars.size())};
        part.nullable = false;
        out_.chars.push_back(n.chars);
        out_.next.emplace_back();
        return part;
      case NodeKind::kSequence:
        for (const uint32_t c : n.children) part = Then(std::move(part), Add(c));
        return part;
      case NodeKind::kChoice:
        part.nullable = false;
        for (const uint32_t c : n.children) {
          const Part one = Add(c);
          part.first.insert(part.first.end(), one.first.begin(), one.first.end());
          part.last.insert(part.last.end(), one.last.begin(), one.last.end());
          part.nullable = part.nullable || one.nullable;
        }
        return part;
      case NodeKind::kRepeat: return Repeat(n);
      case NodeKind::kRule: return Add(syntax_.rules[n.rule]);
    }
    return part;
  }

  const Syntax& syntax_;
  Automaton out_;
};

}  // namespace

Automaton BuildAutomaton(const Syntax& syntax, uint32_t node) {
  return AutomatonBuilder(syntax).Build(node);
}

}  // namespace wring::gbnf
