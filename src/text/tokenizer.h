// Text to token ids and back. One object whatever the source: tokenizer.json, GGUF metadata, SentencePiece's
// tokenizer.model or a llama2.c vocabulary. The work is done by the `tokenizers` crate behind bridge/; every object here
// is immutable after load and may be used from many threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct WringTokenizer;

namespace wring {

class GgufMetadata;

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // `json` is the text of a tokenizer.json file.
  static Result<std::unique_ptr<Tokenizer>> FromJson(std::string_view json);
  // The tokenizer.ggml.* keys of a GGUF file (models "gpt2", "llama" and "bert").
  static Result<std::unique_ptr<Tokenizer>> FromGguf(const GgufMetadata& metadata);
  // SentencePiece's tokenizer.model (BPE or unigram).
  static Result<std::unique_ptr<Tokenizer>> FromSentencePiece(std::span<const std::byte> file,
                                                              std::string_view what);
  // llama2.c tokenizer .bin (scores and pieces, SentencePiece BPE with byte fallback).
  static Result<std::unique_ptr<Tokenizer>> FromLlama2c(std::span<const std::byte> file,
                                                        uint32_t vocab_size);

  // `add_special` adds what the model's post-processor adds (bos, eos); `parse_special` lets text
  // such as "<|im_start|>" become its control token (templates need it, user text must not).
  virtual Result<std::vector<int32_t>> Encode(std::string_view text, bool add_special,
                                              bool parse_special) const = 0;
  // Valid UTF-8; invalid sequences become U+FFFD.
  virtual Result<std::string> Decode(std::span<const int32_t> ids, bool skip_special) const = 0;
  // The bytes one token stands for in the middle of a text; control tokens give an empty string
  // unless `special`. Concatenated bytes of a text's tokens are that text.
  virtual std::string TokenBytes(int32_t id, bool special) const = 0;

  virtual uint32_t vocab_size() const = 0;
  virtual std::optional<int32_t> IdOf(std::string_view token) const = 0;
  virtual std::optional<int32_t> bos() const = 0;
  // Every id that ends a turn or a text (eos, eot, <|im_end|> ...).
  virtual const std::vector<int32_t>& stop_ids() const = 0;
  // The bridge's object, for grammars.
  virtual const WringTokenizer* handle() const = 0;
};

// Streaming detokenisation: never splits a UTF-8 character. The concatenation of all Push() results
// and Flush() equals the text of the whole sequence.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool special = false)
      : tokenizer_(&tokenizer), special_(special) {}
  std::string Push(int32_t id);
  std::string Flush();

 private:
  const Tokenizer* tokenizer_;
  bool special_;
  std::string pending_;
};

}  // namespace wring
