// llama.cpp's grammar notation (GBNF) into llguidance's Lark.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wring {

// The rule "root" becomes the start. kInvalid with line and column when the text is no GBNF, names a rule that
// it does not define, or nests or repeats beyond the bounds of gbnf_syntax.h.
Result<std::string> LarkFromGbnf(std::string_view source);

}  // namespace wring
