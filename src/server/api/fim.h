// Fill in the middle: a prompt and a suffix into the ids after which a model trained for it writes what belongs between.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace wring::server {

// The control tokens of a family that knows it.
struct FimTokens {
  int32_t prefix, suffix, middle;
};

// kUnsupported with a sentence when the vocabulary has none.
Result<FimTokens> FindFimTokens(const Tokenizer& tokenizer);

// [bos] PREFIX prefix SUFFIX suffix MIDDLE; bos where the tokenizer puts one before a plain text and `add_special`.
Result<std::vector<int32_t>> FimPrompt(const Tokenizer& tokenizer, std::string_view prefix,
                                       std::string_view suffix, bool add_special);

}  // namespace wring::server
