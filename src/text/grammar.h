// Which tokens may come next under a JSON schema, a regular expression or a grammar (llguidance behind
// bridge/). Compiling is bounded in time and size but may take milliseconds: do it on a worker thread, never
// on an I/O or engine thread. A Grammar belongs to one request; what all grammars over a tokenizer share is
// made by its first one and kept in the tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace wring {

enum class GrammarKind : int32_t {
  kJsonSchema = 0,
  kRegex = 1,
  kLark = 2,
  kGbnf = 3,  // llama.cpp's notation, see gbnf.h
};

// kGbnf when the first rule is written with "::=", else kLark.
GrammarKind GrammarNotation(std::string_view source);

// Bytes held for good by work on grammars, and on templates and tokenizers, that had to be stopped; past `most`, more
// of the kind is refused until the process is started again.
struct LostMemory {
  uint64_t grammars = 0, models = 0, most = 0;
  bool refuses() const { return grammars > most || models > most; }
};

class Grammar {
 public:
  virtual ~Grammar() = default;
  // kInvalid when it is the grammar's fault, kLimit when there is no memory for it now.
  static Result<std::unique_ptr<Grammar>> Compile(const Tokenizer& tokenizer, GrammarKind kind,
                                                  std::string_view source,
                                                  uint64_t max_milliseconds = 10'000);

  // Sets bit id of `words` for every token that may come next, and for every stop id of the tokenizer when the
  // text may end here. `words` covers the model's vocabulary, which may be larger than the tokenizer's: ids
  // beyond the tokenizer's are never allowed.
  virtual Status Mask(std::span<uint32_t> words) = 0;
  // Takes a token; kInvalid when the mask did not allow it. A stop id ends the text.
  virtual Status Commit(int32_t id) = 0;
  // Another, as it stands; costs less than compiling. kLimit when there is no memory for it now.
  virtual Result<std::unique_ptr<Grammar>> Copy() const = 0;
  // The text is whole and nothing can follow it.
  virtual bool finished() const = 0;

  static LostMemory Lost();
};

}  // namespace wring
