// KV codecs: how keys and values lie in a block. A block holds kBlockTokens tokens of a group of layers;
// within it, each layer has the keys of each KV head, then the values of each KV head.
//
// Keys of a head are four panels of 16 tokens, [4][head_dim][16], and values are panels of 16 channels,
// [head_dim/16][64][16]: in both products of attention (scores over head_dim, output over tokens) the
// lane is the result's index, so neither needs a horizontal sum, and the kernel is that of a linear
// layer. Per-token codecs (these three) fix a token's stored form when it is written, so every query, in
// prefill, decode or recompute, sees the same bits.
//
// int8 keeps a float32 scale a token, head and side (keys, values): max |x| / 127, behind the panels as [64].
//
// Adding a codec: a folder here, an entry in CodecId, kernels kAppend and kAttend in the registry.
#pragma once

#include <cstdint>
#include <string_view>

namespace wring {

inline constexpr uint32_t kBlockTokens = 64;

enum class CodecId : uint8_t { kF32, kF16, kI8 };
inline constexpr size_t kCodecCount = 3;

struct KvCodec {
  CodecId id;
  std::string_view name;
  uint32_t element_bytes;
  bool scaled;           // a float32 scale a token stands behind the panels
  bool keys_after_rope;  // whether keys are stored rotated; if not, the attend kernel rotates

  // head_dim padded to whole panels.
  static uint32_t PaddedHead(uint32_t head_dim) { return (head_dim + 15) / 16 * 16; }
  // Where the scales begin.
  uint64_t scales_at(uint32_t head_dim) const {
    return uint64_t{kBlockTokens} * PaddedHead(head_dim) * element_bytes;
  }
  // Bytes of the keys (or of the values) of one head in a block.
  uint64_t head_bytes(uint32_t head_dim) const {
    return scales_at(head_dim) + (scaled ? kBlockTokens * sizeof(float) : 0);
  }
  // Bytes of one layer in a block.
  uint64_t layer_bytes(uint32_t kv_heads, uint32_t head_dim) const {
    return 2 * kv_heads * head_bytes(head_dim);
  }
};

const KvCodec& Codec(CodecId id);
const KvCodec* CodecByName(std::string_view name);

}  // namespace wring
