#include "text/gbnf_syntax.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace wring::gbnf {

CharSet Normal(CharSet ranges) {
  std::sort(ranges.begin(), ranges.end());
  CharSet out;
  for (const auto& [low, high] : ranges) {
    if (!out.empty() && low <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, high);
    } else {
      out.emplace_back(low, high);
    }
  }
  return out;
}

CharSet Complement(const CharSet& set) {
  CharSet out;
  uint32_t next = 0;
  for (const auto& [low, high] : set) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLastCharacter) out.emplace_back(next, kLastCharacter);
  return out;
}

bool Overlap(const CharSet& a, const CharSet& b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (a[i].first <= b[j].second && b[j].first <= a[i].second) return true;
    ++(a[i].second < b[j].second ? i : j);
  }
  return false;
}

namespace {

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Syntax> Run() {
    Space(true);
    while (at_ < text_.size()) {
      WRING_TRY(Rule());
      Space(true);
    }
    for (const auto& [name, rule] : rules_) {
      if (rule.node) continue;
      at_ = rule.used_at;
      return Wrong(fmt::format("the rule \"{}\" is used and not defined", name));
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) {
      return Error(Code::kInvalid,
                   "the grammar has no rule \"root\": name the one it begins with so");
    }
    syntax_.rules.resize(rules_.size());
    for (const auto& [name, rule] : rules_) syntax_.rules[rule.number] = *rule.node;
    syntax_.root = root->second.number;
    return std::move(syntax_);
  }

 private:
  struct NamedRule {
    uint32_t number = 0;
    size_t used_at = 0;
    std::optional<uint32_t> node;
  };

  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  Status Wrong(std::string_view what) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    // Columns count characters, so the bytes that continue one do not count.
    const auto column = 1 + std::count_if(before.begin() + static_cast<std::ptrdiff_t>(start),
                                          before.end(), [](char c) { return (c & 0xC0) != 0x80; });
    return Error(Code::kInvalid, "the grammar is wrong at line {}, column {}: {}", line, column,
                 what);
  }

  void Space(bool lines) {
    while (at_ < text_.size()) {
      const char c = Peek();
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  uint32_t Add(Node node) {
    syntax_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(syntax_.nodes.size() - 1);
  }

  std::string_view Name() {
    const size_t start = at_;
    while (IsNameChar(Peek())) ++at_;
    return text_.substr(start, at_ - start);
  }

  NamedRule& Find(std::string_view name, size_t used_at) {
    const auto [it, fresh] = rules_.try_emplace(std::string(name));
    if (fresh) it->second = {static_cast<uint32_t>(rules_.size() - 1), used_at, std::nullopt};
    return it->second;
  }

  Status Rule() {
    const size_t start = at_;
    const std::string_view name = Name();
    if (name.empty()) return Wrong("a rule's name is missing");
    Space(false);
    if (!Take("::=")) return Wrong("\"::=\" is missing after the rule's name");
    Space(true);
    WRING_ASSIGN(const uint32_t body, Choice(0));
    NamedRule& rule = Find(name, start);
    if (rule.node) {
      at_ = start;
      return Wrong(fmt::format("the rule \"{}\" is defined twice", name));
    }
    rule.node = body;
    Space(false);
    if (at_ < text_.size() && Peek() != '\n' && Peek() != '\r')
      return Wrong("the rule goes on with what is no part of one");
    return {};
  }

  // A further line belongs to the rule when it begins with |.
  bool NextAlternative(uint32_t depth) {
    const size_t before = at_;
    Space(true);
    if (Take("|")) {
      Space(true);
      return true;
    }
    if (depth == 0) at_ = before;
    return false;
  }

  Result<uint32_t> Choice(uint32_t depth) {
    if (depth > kMaxDepth) return Wrong("groups are nested too deeply: take some out as rules");
    Node choice{.kind = NodeKind::kChoice};
    do {
      WRING_ASSIGN(const uint32_t part, Sequence(depth));
      choice.children.push_back(part);
    } while (NextAlternative(depth));
    return choice.children.size() == 1 ? choice.children[0] : Add(std::move(choice));
  }

  Result<uint32_t> Sequence(uint32_t depth) {
    Node sequence{.kind = NodeKind::kSequence};
    bool repeated = false;
    while (true) {
      Space(depth > 0);
      const char c = Peek();
      if (c == '\0' || c == '\n' || c == '\r' || c == '|' || c == ')') break;
      if (c == '*' || c == '+' || c == '?' || c == '{') {
        if (sequence.children.empty()) return Wrong("there is nothing to repeat");
        if (repeated) return Wrong("this repeats a repetition: put that in a group");
        WRING_TRY(Repetition(&sequence.children.back()));
        repeated = true;
        continue;
      }
      WRING_ASSIGN(const uint32_t part, Item(depth));
      sequence.children.push_back(part);
      repeated = false;
    }
    return sequence.children.size() == 1 ? sequence.children[0] : Add(std::move(sequence));
  }

  Result<uint32_t> Item(uint32_t depth) {
    const char c = Peek();
    if (c == '"') return Literal();
    if (c == '[') return Class();
    if (Take(".")) return Add({.kind = NodeKind::kChar, .chars = {{0, kLastCharacter}}});
    if (c == '(') {
      const size_t start = at_;
      ++at_;
      Space(true);
      WRING_ASSIGN(const uint32_t inner, Choice(depth + 1));
      Space(true);
      if (Take(")")) return inner;
      at_ = start;
      return Wrong("this group has no end: close it with \")\"");
    }
    if (IsNameChar(c)) {
      const size_t start = at_;
      const std::string_view name = Name();
      return Add({.kind = NodeKind::kRule, .rule = Find(name, start).number});
    }
    if (c == '<' || c == '!')
      return Wrong("tokens cannot be named here: write their text, or the grammar in Lark");
    return Wrong("this begins no literal, class, group or rule's name");
  }

  Result<uint32_t> Literal() {
    const size_t start = at_++;
    Node literal{.kind = NodeKind::kSequence};
    while (!Take("\"")) {
      if (at_ >= text_.size()) {
        at_ = start;
        return Wrong("this literal has no end: close it with a quote");
      }
      WRING_ASSIGN(const uint32_t c, Character());
      literal.children.push_back(Add({.kind = NodeKind::kChar, .chars = {{c, c}}}));
    }
    return Add(std::move(literal));
  }

  Result<uint32_t> Class() {
    const size_t start = at_++;
    const bool negated = Take("^");
    CharSet set;
    while (!Take("]")) {
      if (at_ >= text_.size()) {
        at_ = start;
        return Wrong("this class has no end: close it with \"]\"");
      }
      WRING_ASSIGN(const uint32_t low, Character());
      uint32_t high = low;
      if (Peek() == '-' && Peek(1) != ']') {
        const size_t dash = at_++;
        if (at_ < text_.size()) {
          WRING_ASSIGN(high, Character());
        }
        if (high < low) {
          at_ = dash;
          return Wrong("this range ends before it begins");
        }
      }
      set.emplace_back(low, high);
    }
    set = Normal(std::move(set));
    if (negated) set = Complement(set);
    if (set.empty()) {
      at_ = start;
      return Wrong("no character is in this class");
    }
    return Add({.kind = NodeKind::kChar, .chars = std::move(set)});
  }

  // One code point, escaped or not.
  Result<uint32_t> Character() {
    const auto lead = static_cast<unsigned char>(Peek());
    if (lead == '\\') return Escape();
    const uint32_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0x7FU >> length);
    bool good = lead < 0x80 || (lead >= 0xC2 && lead <= 0xF4);
    for (uint32_t i = 1; good && i < length; ++i) {
      const auto next = static_cast<unsigned char>(Peek(i));
      good = (next & 0xC0) == 0x80;
      c = c << 6 | (next & 0x3FU);
    }
    if (!good || c > kLastCharacter || (c >= 0xD800 && c <= 0xDFFF))
      return Wrong("this is not UTF-8: save the grammar as UTF-8");
    at_ += length;
    return c;
  }

  Result<uint32_t> Escape() {
    const size_t start = at_++;
    const char kind = Peek();
    ++at_;
    switch (kind) {
      case 't': return uint32_t{'\t'};
      case 'r': return uint32_t{'\r'};
      case 'n': return uint32_t{'\n'};
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^': return static_cast<uint32_t>(kind);
      default: break;
    }
    const size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    uint32_t c = 0;
    const std::string_view hex = text_.substr(std::min(at_, text_.size())).substr(0, digits);
    const auto parsed = std::from_chars(hex.data(), hex.data() + hex.size(), c, 16);
    const bool good = digits > 0 && hex.size() == digits && parsed.ptr == hex.data() + digits &&
                      c <= kLastCharacter && (c < 0xD800 || c > 0xDFFF);
    if (!good) {
      at_ = start;
      return Wrong(
          "this escape is none of \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xHH \\uHHHH \\UHHHHHHHH");
    }
    at_ += digits;
    return c;
  }

  // * + ? {m} {m,} {m,n} {,n} after an item.
  Status Repetition(uint32_t* item) {
    const size_t start = at_;
    Node node{.kind = NodeKind::kRepeat, .children = {*item}, .min = 0, .max = kNoLimit};
    if (Take("+")) {
      node.min = 1;
    } else if (Take("?")) {
      node.max = 1;
    } else if (!Take("*")) {
      ++at_;
      const auto number = [&](uint32_t standard) {
        Space(false);
        uint32_t value = standard;
        const char* end = text_.data() + text_.size();
        at_ =
            static_cast<size_t>(std::from_chars(text_.data() + at_, end, value).ptr - text_.data());
        Space(false);
        return value;
      };
      const bool has_min = (Space(false), Peek() != ',');
      node.min = number(has_min ? kNoLimit : 0);
      node.max = Take(",") ? number(kNoLimit) : node.min;
      if (!Take("}") || node.min > kMaxRepetition || node.max < node.min ||
          (node.max > kMaxRepetition && node.max != kNoLimit)) {
        at_ = start;
        return Wrong(fmt::format(
            "this repetition is none of {{m}} {{m,}} {{m,n}} with m <= n <= {}", kMaxRepetition));
      }
    }
    *item = Add(std::move(node));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::map<std::string, NamedRule> rules_;
  Syntax syntax_;
};

}  // namespace

Result<Syntax> Parse(std::string_view source) { return Parser(source).Run(); }

}  // namespace wring::gbnf
