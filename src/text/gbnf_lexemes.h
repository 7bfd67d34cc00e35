// Which parts of a GBNF grammar can be lexemes.
//
// GBNF has no lexer: any character may belong to any rule. llguidance has one, which is where its speed comes
// from, and it takes the longest match. Single characters as lexemes are always right and slow (a parser step a
// byte of every token); a longer lexeme A is right when the longest match never takes what must be left to
// what follows: for every lexeme B that may begin where A begins, no character that may follow A continues
// B after a word of A. Parts without recursion become lexemes as large as that allows.
#pragma once

#include <bitset>
#include <map>
#include <set>
#include <vector>

#include "text/gbnf_automaton.h"
#include "text/gbnf_syntax.h"

namespace wring::gbnf {

class Lexemes {
 public:
  explicit Lexemes(const Syntax& syntax);

  bool IsLexeme(uint32_t node) const;
  // The lexeme stands for the empty text too: a repetition that may be absent.
  bool IsOptional(uint32_t node) const { return nullable_[node]; }
  // In the syntax of Rust's regex crate; of an optional lexeme without the empty text.
  std::string Regex(uint32_t node) const { return Expression(node, IsOptional(node)); }

 private:
  static constexpr size_t kMaxLexemes = 512;
  using Set = std::bitset<kMaxLexemes>;
  struct Ends {
    Set first, last;
  };

  // False when they would take too long.
  bool Measure();
  bool MarkNullable();
  std::string Expression(uint32_t node, bool at_least_once) const;
  // Collects the lexemes in use; false when there are too many.
  bool Number();
  void Collect(uint32_t node, std::set<uint32_t>* rules);
  Ends Connect(uint32_t node);
  bool MayFollow();
  bool Intersect(uint32_t a, uint32_t b);
  bool Conflict(uint32_t a, uint32_t b);
  // Splits lexemes that the longest match would get wrong; true when there was one.
  bool SplitOne();

  const Syntax& syntax_;
  std::vector<uint32_t>
      size_;  // characters of a node's expression with its rules put in; kNoLimit: no expression
  std::vector<bool> nullable_, split_;
  bool single_ = false;            // nothing but characters are lexemes
  std::vector<uint32_t> lexemes_;  // nodes
  std::map<uint32_t, uint32_t> number_;
  std::vector<Automaton> automata_;
  std::map<uint32_t, Ends> rule_ends_;
  std::vector<Set> next_, together_;
  std::vector<CharSet> follow_;
  std::map<std::pair<uint32_t, uint32_t>, bool> intersect_;
  uint64_t steps_ = 0;  // of the comparisons, which are bounded
};

}  // namespace wring::gbnf
