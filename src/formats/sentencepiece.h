// SentencePiece's tokenizer.model: a protocol buffer of pieces with scores and of how text is normalised
// (sentencepiece_model.proto). Only the fields that encoding needs are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring {

struct SentencePieceModel {
  enum class Kind : uint8_t { kUnigram = 1, kBpe = 2 };

  Kind kind = Kind::kUnigram;
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int32_t> types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  bool byte_fallback = false;
  bool add_prefix = true;           // a space before the text
  bool remove_extra_spaces = true;  // at both ends, and of each run all but one
  std::string charsmap;             // compiled normalisation rules; empty: none
  int32_t bos = 1, eos = 2;         // -1: none
};

Result<SentencePieceModel> ParseSentencePiece(std::span<const std::byte> bytes,
                                              std::string_view what);

}  // namespace wring
