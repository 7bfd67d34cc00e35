#include "text/gbnf.h"

#include <set>

#include "text/gbnf_lexemes.h"
#include "text/gbnf_syntax.h"

namespace wring {
namespace {

using gbnf::Node;
using gbnf::NodeKind;

class Writer {
 public:
  explicit Writer(const gbnf::Syntax& syntax) : syntax_(syntax), lexemes_(syntax) {}

  std::string Run() {
    std::string out = fmt::format("start: r{}\n", syntax_.root);
    todo_.insert(syntax_.root);
    while (!todo_.empty()) {
      const uint32_t rule = *todo_.begin();
      todo_.erase(todo_.begin());
      if (!done_.insert(rule).second) continue;
      out += fmt::format("r{}: {}\n", rule, Expression(syntax_.rules[rule]));
    }
    return out;
  }

 private:
  std::string Expression(uint32_t node) {
    const Node& n = syntax_.nodes[node];
    if (lexemes_.IsLexeme(node)) {
      const std::string regex = fmt::format("/{}/", lexemes_.Regex(node));
      return lexemes_.IsOptional(node) ? fmt::format("({})?", regex) : regex;
    }
    std::string out;
    switch (n.kind) {
      case NodeKind::kChar: break;
      case NodeKind::kSequence:
      case NodeKind::kChoice:
        for (const uint32_t c : n.children) {
          if (!out.empty()) out += n.kind == NodeKind::kChoice ? " | " : " ";
          out += Expression(c);
        }
        return out.empty() ? "\"\"" : fmt::format("({})", out);
      case NodeKind::kRepeat:
        out = fmt::format("({})", Expression(n.children[0]));
        if (n.max == 0) return "\"\"";  // Lark has no {0}
        return out + (n.max == gbnf::kNoLimit ? fmt::format("{{{},}}", n.min)
                                              : fmt::format("{{{},{}}}", n.min, n.max));
      case NodeKind::kRule: todo_.insert(n.rule); return fmt::format("r{}", n.rule);
    }
    return out;
  }

  const gbnf::Syntax& syntax_;
  const gbnf::Lexemes lexemes_;
  std::set<uint32_t> todo_, done_;
};

}  // namespace

Result<std::string> LarkFromGbnf(std::string_view source) {
  WRING_ASSIGN(const gbnf::Syntax syntax, gbnf::Parse(source));
  return Writer(syntax).Run();
}

}  // namespace wring
