#include "text/gbnf_lexemes.h"

#include <algorithm>

namespace wring::gbnf {
namespace {

constexpr uint32_t kMaxStates = 160;        // of a lexeme beside others
constexpr uint32_t kMaxExpression = 20000;  // characters of one that is the whole grammar
constexpr uint32_t kMaxNesting = 1000;      // of an expression, which is written by recursion
constexpr uint64_t kMaxSteps = 10'000'000;  // about 0.2 s

uint32_t Bounded(uint64_t size) {
  return size > kMaxExpression ? kNoLimit : static_cast<uint32_t>(size);
}

// Visits every pair of states that some text leads to in both; false from `visit` ends it with true.
template <typename Visit>
bool Walk(const Automaton& a, const Automaton& b, uint64_t* steps, const Visit& visit) {
  std::vector<bool> seen(a.chars.size() * b.chars.size(), false);
  std::vector<std::pair<uint32_t, uint32_t>> work;
  const auto add = [&](const std::vector<uint32_t>& as, const std::vector<uint32_t>& bs) {
    *steps += as.size() * bs.size() + 1;
    for (const uint32_t x : as) {
      for (const uint32_t y : bs) {
        const size_t at = x * b.chars.size() + y;
        if (seen[at] || !Overlap(a.chars[x], b.chars[y])) continue;
        seen[at] = true;
        work.emplace_back(x, y);
      }
    }
  };
  add(a.first, b.first);
  while (!work.empty()) {
    const auto [x, y] = work.back();
    work.pop_back();
    if (!visit(x, y)) return true;
    add(a.next[x], b.next[y]);
  }
  return false;
}

}  // namespace

Lexemes::Lexemes(const Syntax& syntax) : syntax_(syntax) {
  split_.assign(syntax.nodes.size(), false);
  nullable_.assign(syntax.nodes.size(), false);
  if (!Measure() || !MarkNullable()) {
    single_ = true;
    return;
  }
  // One expression for everything has nothing beside it or behind it.
  const uint32_t root = syntax.rules[syntax.root];
  if (IsLexeme(root)) return;
  while (true) {
    if (!Number() || !MayFollow() || steps_ > kMaxSteps) {
      single_ = true;
      return;
    }
    if (!SplitOne()) return;
  }
}

// Sizes from the rules that use no other upwards; a rule that uses itself keeps kNoLimit.
bool Lexemes::Measure() {
  const auto& nodes = syntax_.nodes;
  size_.assign(nodes.size(), kNoLimit);
  std::vector<uint32_t> depth(nodes.size(), 0);
  // A child has a smaller index than its parent, so one pass serves a rule; a rule's size may change others',
  // which needs at most as many passes as rules stand in a chain, and each pass must settle one.
  for (bool changed = true; changed;) {
    changed = false;
    steps_ += nodes.size();
    if (steps_ > kMaxSteps) return false;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (size_[i] != kNoLimit) continue;
      const Node& n = nodes[i];
      uint64_t size = n.kind == NodeKind::kChar ? 1 : 0;
      if (n.kind == NodeKind::kRule) size = uint64_t{1} + size_[syntax_.rules[n.rule]];
      for (const uint32_t c : n.children) size += size_[c];
      if (n.kind == NodeKind::kRepeat) size *= n.max == kNoLimit ? std::max(n.min, 1U) : n.max;
      if (n.kind == NodeKind::kRule) depth[i] = depth[syntax_.rules[n.rule]];
      for (const uint32_t c : n.children) depth[i] = std::max(depth[i], depth[c]);
      size_[i] = ++depth[i] > kMaxNesting ? kNoLimit : Bounded(size);
      changed = changed || size_[i] != kNoLimit;
    }
  }
  return true;
}

bool Lexemes::MarkNullable() {
  const auto& nodes = syntax_.nodes;
  for (bool changed = true; changed;) {
    changed = false;
    steps_ += nodes.size();
    if (steps_ > kMaxSteps) return false;
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (nullable_[i]) continue;
      const Node& n = nodes[i];
      const auto is = [&](uint32_t c) { return nullable_[c]; };
      bool nullable = false;
      switch (n.kind) {
        case NodeKind::kChar: break;
        case NodeKind::kSequence:
          nullable = std::all_of(n.children.begin(), n.children.end(), is);
          break;
        case NodeKind::kChoice:
          nullable = std::any_of(n.children.begin(), n.children.end(), is);
          break;
        case NodeKind::kRepeat: nullable = n.min == 0 || is(n.children[0]); break;
        case NodeKind::kRule: nullable = is(syntax_.rules[n.rule]); break;
      }
      nullable_[i] = nullable;
      changed = changed || nullable;
    }
  }
  return true;
}

bool Lexemes::IsLexeme(uint32_t node) const {
  const Node& n = syntax_.nodes[node];
  if (n.kind == NodeKind::kChar) return true;
  if (single_ || split_[node] || size_[node] == 0 || size_[node] == kNoLimit) return false;
  if (size_[node] > kMaxStates && node != syntax_.rules[syntax_.root]) return false;
  if (!nullable_[node]) return true;
  return n.kind == NodeKind::kRepeat && !nullable_[n.children[0]] && n.max > 0;
}

std::string Lexemes::Expression(uint32_t node, bool at_least_once) const {
  const Node& n = syntax_.nodes[node];
  std::string out;
  switch (n.kind) {
    case NodeKind::kChar:
      out = "[";
      for (const auto& [low, high] : n.chars) {
        out += fmt::format("\\x{{{:X}}}", low);
        if (high != low) out += fmt::format("-\\x{{{:X}}}", high);
      }
      return out + "]";
    case NodeKind::kSequence:
      for (const uint32_t c : n.children) out += Expression(c, false);
      return fmt::format("(?:{})", out);
    case NodeKind::kChoice:
      for (const uint32_t c : n.children) {
        out += out.empty() ? "(?:" : "|";
        out += Expression(c, false);
      }
      return out + ")";
    case NodeKind::kRepeat: {
      const uint32_t min = at_least_once ? std::max(n.min, 1U) : n.min;
      out = fmt::format("(?:{})", Expression(n.children[0], false));
      return out + (n.max == kNoLimit ? fmt::format("{{{},}}", min)
                                      : fmt::format("{{{},{}}}", min, n.max));
    }
    case NodeKind::kRule: return Expression(syntax_.rules[n.rule], false);
  }
  return out;
}

void Lexemes::Collect(uint32_t node, std::set<uint32_t>* rules) {
  if (IsLexeme(node)) {
    number_.try_emplace(node, static_cast<uint32_t>(number_.size()));
    return;
  }
  const Node& n = syntax_.nodes[node];
  if (n.kind == NodeKind::kRule) rules->insert(n.rule);
  for (const uint32_t c : n.children) Collect(c, rules);
}

bool Lexemes::Number() {
  number_.clear();
  rule_ends_.clear();
  intersect_.clear();
  std::set<uint32_t> rules = {syntax_.root};
  while (!rules.empty()) {
    const uint32_t rule = *rules.begin();
    rules.erase(rules.begin());
    if (!rule_ends_.try_emplace(rule).second) continue;
    Collect(syntax_.rules[rule], &rules);
    if (number_.size() > kMaxLexemes) return false;
  }
  lexemes_.resize(number_.size());
  automata_.resize(number_.size());
  for (const auto& [node, number] : number_) {
    lexemes_[number] = node;
    automata_[number] = BuildAutomaton(syntax_, node);
  }
  return true;
}

// First and last lexemes of a node; what stands side by side in it goes into next_.
Lexemes::Ends Lexemes::Connect(uint32_t node) {
  Ends ends;
  if (const auto it = number_.find(node); it != number_.end()) {
    ends.first.set(it->second);
    ends.last.set(it->second);
    return ends;
  }
  const Node& n = syntax_.nodes[node];
  const auto link = [&](const Set& before, const Set& after) {
    for (size_t i = 0; i < next_.size(); ++i) {
      if (before[i]) next_[i] |= after;
    }
  };
  switch (n.kind) {
    case NodeKind::kChar: break;
    case NodeKind::kSequence: {
      bool all_nullable = true;
      for (const uint32_t c : n.children) {
        const Ends one = Connect(c);
        link(ends.last, one.first);
        if (all_nullable) ends.first |= one.first;
        if (!nullable_[c]) ends.last.reset();
        ends.last |= one.last;
        all_nullable = all_nullable && nullable_[c];
      }
      break;
    }
    case NodeKind::kChoice:
      for (const uint32_t c : n.children) {
        const Ends one = Connect(c);
        ends.first |= one.first;
        ends.last |= one.last;
      }
      break;
    case NodeKind::kRepeat:
      ends = Connect(n.children[0]);
      if (n.max > 1) link(ends.last, ends.first);
      break;
    case NodeKind::kRule: ends = rule_ends_[n.rule]; break;
  }
  return ends;
}

// What may follow a lexeme, and which may begin at one place. False when it would take too long.
bool Lexemes::MayFollow() {
  next_.assign(lexemes_.size(), {});
  for (bool changed = true; changed;) {
    changed = false;
    const auto before = next_;
    for (auto& [rule, ends] : rule_ends_) {
      const Ends now = Connect(syntax_.rules[rule]);
      steps_ += lexemes_.size() + syntax_.nodes.size() / rule_ends_.size();
      changed = changed || now.first != ends.first || now.last != ends.last;
      ends = now;
    }
    changed = changed || before != next_;
    if (steps_ > kMaxSteps) return false;
  }
  follow_.assign(lexemes_.size(), {});
  for (size_t a = 0; a < lexemes_.size(); ++a) {
    for (size_t b = 0; b < lexemes_.size(); ++b) {
      if (!next_[a][b]) continue;
      for (const uint32_t s : automata_[b].first) {
        const CharSet& c = automata_[b].chars[s];
        follow_[a].insert(follow_[a].end(), c.begin(), c.end());
      }
    }
    follow_[a] = Normal(std::move(follow_[a]));
  }

  // Two may begin together at the start, or behind two that did and share a word.
  together_.assign(lexemes_.size(), {});
  std::vector<std::pair<uint32_t, uint32_t>> work;
  const auto add = [&](const Set& as, const Set& bs) {
    for (uint32_t a = 0; a < lexemes_.size(); ++a) {
      if (!as[a]) continue;
      const Set fresh = bs & ~together_[a];
      together_[a] |= fresh;
      for (uint32_t b = 0; fresh.any() && b < lexemes_.size(); ++b) {
        if (fresh[b]) work.emplace_back(a, b);
      }
    }
  };
  const Set start = rule_ends_[syntax_.root].first;
  add(start, start);
  while (!work.empty()) {
    const auto [a, b] = work.back();
    work.pop_back();
    steps_ += lexemes_.size();
    if (steps_ > kMaxSteps) return false;
    if (Intersect(a, b)) add(next_[a], next_[b]);
  }
  return true;
}

bool Lexemes::Intersect(uint32_t a, uint32_t b) {
  if (a == b) return true;
  const auto [it, fresh] = intersect_.try_emplace(std::minmax(a, b), false);
  if (fresh) {
    const Automaton& x = automata_[a];
    const Automaton& y = automata_[b];
    it->second =
        Walk(x, y, &steps_, [&](uint32_t s, uint32_t t) { return !(x.last[s] && y.last[t]); });
  }
  return it->second;
}

bool Lexemes::Conflict(uint32_t a, uint32_t b) {
  const Automaton& x = automata_[a];
  const Automaton& y = automata_[b];
  if (y.chars.size() == 1 && y.next[0].empty()) return false;
  return Walk(x, y, &steps_, [&](uint32_t s, uint32_t t) {
    if (!x.last[s]) return true;
    return std::none_of(y.next[t].begin(), y.next[t].end(),
                        [&](uint32_t u) { return Overlap(y.chars[u], follow_[a]); });
  });
}

bool Lexemes::SplitOne() {
  bool found = false;
  for (uint32_t a = 0; a < lexemes_.size(); ++a) {
    for (uint32_t b = 0; b < lexemes_.size(); ++b) {
      if (!together_[a][b] || split_[lexemes_[b]] || !Conflict(a, b)) continue;
      split_[lexemes_[b]] = true;
      found = true;
    }
  }
  return found;
}

}  // namespace wring::gbnf
