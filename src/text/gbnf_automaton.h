// The automaton of a part of a grammar without recursion.
#pragma once

#include <vector>

#include "text/gbnf_syntax.h"

namespace wring::gbnf {

// One state a character of its expression (Glushkov).
struct Automaton {
  std::vector<CharSet> chars;               // that lead into a state
  std::vector<std::vector<uint32_t>> next;  // states
  std::vector<uint32_t> first;
  std::vector<bool> last;
};

// Of the expression that `node` is with its rules put in, which must end.
Automaton BuildAutomaton(const Syntax& syntax, uint32_t node);

}  // namespace wring::gbnf
