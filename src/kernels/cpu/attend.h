// Attention of a tile of query vectors over one KV block, and the codecs' writers.
//
// Attention is cut at blocks of kBlockTokens absolute positions (contract 7). Each block gives a partial
// (max, sum, output) on its own; partials are merged in the order of positions. So a query's result does
// not depend on how many queries share a tile or which thread took which block.
#pragma once

#include <cstdint>

#include "kv/codec/codec.h"

namespace wring::cpu {

inline constexpr uint32_t kAttendTile = 12;  // query vectors a tile, at most

// Query vectors of one KV head against one block. Keys [begin[n], end[n]) of the block are visible to
// query n (0 <= begin < end <= 64; an empty range leaves max = -inf, sum = 0, output = 0).
struct AttendBlockArgs {
  const std::byte* keys = nullptr;  // of this head
  const std::byte* values = nullptr;
  uint32_t head_dim = 0;
  const float* q = nullptr;  // [head_dim][count]
  uint32_t count = 0;        // <= kAttendTile
  const uint32_t* begin = nullptr;
  const uint32_t* end = nullptr;
  float scale = 1;       // on the scores
  float softcap = 0;     // scores become cap * tanh(score / cap); 0: off
  float* max = nullptr;  // [count]
  float* sum = nullptr;  // [count]
  float* out = nullptr;  // [count][padded head_dim]
};

struct AttendKernels {
  void (*block)(const AttendBlockArgs& args) = nullptr;
  // Panels of 16 keys, or of 16 values of a head, that `block` reads side by side for so many query vectors.
  uint32_t (*panels_at_once)(uint32_t count) = nullptr;
  // Writes one token's (rotated) key and value of one head into slot `slot` of a block.
  void (*append)(const float* key, const float* value, uint32_t head_dim, uint32_t slot,
                 std::byte* keys, std::byte* values) = nullptr;
  // Merges a later partial into an earlier one; `out` rows are padded head_dim long.
  void (*merge)(uint32_t count, uint32_t padded_head, float* max, float* sum, float* out,
                const float* later_max, const float* later_sum, const float* later_out) = nullptr;
};

}  // namespace wring::cpu
