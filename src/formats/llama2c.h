// Reader of llama2.c version 0 checkpoints (.bin): seven int32, then float32 weights in a fixed
// order. Tensors get Hugging Face names, but not Hugging Face rows: llama2.c rotates interleaved
// pairs (2i, 2i+1) of a head, Hugging Face the halves (i, i + head_dim/2). Whoever runs these
// weights must apply RoPE to interleaved pairs, or permute the rows of q_proj and k_proj.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/tensor_file.h"

namespace wring {

struct Llama2cConfig {
  uint32_t hidden_size = 0;
  uint32_t intermediate_size = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t vocab_size = 0;
  uint32_t max_positions = 0;
  bool tied = true;  // a negative vocab_size in the file means an own classifier, lm_head.weight
  uint32_t head_dim() const { return hidden_size / heads; }
};

struct Llama2cFile {
  Llama2cConfig config;
  TensorFile tensors;
};

Result<Llama2cFile> OpenLlama2c(const std::string& path);

// The parser alone, over bytes in memory (fuzz target). The size must match the header exactly.
Result<Llama2cFile> ParseLlama2c(std::span<const std::byte> bytes, std::string_view what);

}  // namespace wring
