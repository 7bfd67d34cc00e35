// Which tokens may come next under a JSON schema, a regular expression or a Lark grammar (llguidance behind
// bridge/). Compiling is bounded in time and size but may take milliseconds: do it on a worker thread, never
// on an I/O or engine thread. A Grammar belongs to one request.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace wring {

enum class GrammarKind : int32_t { kJsonSchema = 0, kRegex = 1, kLark = 2 };

class Grammar {
 public:
  virtual ~Grammar() = default;
  // `vocab` is the model's (>= the tokenizer's), `eos` the id that ends the text.
  static Result<std::unique_ptr<Grammar>> Compile(const Tokenizer& tokenizer, uint32_t vocab,
                                                  int32_t eos, GrammarKind kind,
                                                  std::string_view source,
                                                  uint64_t max_milliseconds = 10'000);

  // Sets bit id of words[(vocab + 31) / 32] for every token that may come next.
  virtual Status Mask(std::span<uint32_t> words) = 0;
  // Takes a token; kInvalid when the mask did not allow it.
  virtual Status Commit(int32_t id) = 0;
  virtual bool finished() const = 0;
};

}  // namespace wring
