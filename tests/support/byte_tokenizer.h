// A tokenizer whose tokens are the 256 bytes and one end: any text has one way through it.
#pragma once

#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

namespace wring::testing {

inline constexpr int32_t kByteEnd = 256;

// The id of a byte is the byte.
inline std::unique_ptr<Tokenizer> ByteTokenizer() {
  nlohmann::json vocab;
  uint32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    // GPT-2's table: a printable byte stands for itself, the others for U+0100 and up in order.
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const uint32_t c = printable ? static_cast<uint32_t>(byte) : next++;
    std::string text;
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else {
      text += static_cast<char>(0xC0 | c >> 6);
      text += static_cast<char>(0x80 | (c & 0x3F));
    }
    vocab[text] = byte;
  }
  const nlohmann::json level = {{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", false}};
  const nlohmann::json file = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", kByteEnd},
         {"content", "<|endoftext|>"},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false},
         {"normalized", false},
         {"special", true}}}},
      {"pre_tokenizer", level},
      {"decoder", level},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}};
  auto tokenizer = Tokenizer::FromJson(file.dump());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

}  // namespace wring::testing
