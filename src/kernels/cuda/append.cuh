// A head's vector on its way to attention, by one warp: norm, rotation, the cache.
//
// In a block of the cache, keys of a head are [64 tokens][channels] and values [channels][64 tokens], so that attention
// reads both along the index that its products sum over; channels are padded as the codec says. int8 has its scales
// behind, [64] float32.
#pragma once

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {

constexpr uint32_t kMaxHead = 256;

// Where a block begins in the pool.
__device__ __forceinline__ uint64_t BlockAt(const CacheArg& c, uint32_t sequence, uint32_t block) {
  return c.offsets[c.first[sequence] + block * c.groups + c.group];
}
// Of the block at `at`, the keys of head `head` (values: of head + kv_heads).
__device__ __forceinline__ std::byte* HeadOf(const CacheArg& c, uint64_t at, uint32_t head) {
  return c.pool + at + c.in_block + head * c.head_bytes;
}

// `stride`: between channels, `at`: of channel 0.
template <CodecId kCodec>
__device__ __forceinline__ void StoreVector(const float* vector, uint32_t n, uint32_t padded, std::byte* head,
                          uint64_t at, uint32_t stride, uint32_t token, uint32_t lane) {
  if constexpr (kCodec == CodecId::kI8) {
    float most = 0;
    for (uint32_t i = lane; i < n; i += 32) most = fmaxf(most, fabsf(vector[i]));
    most = WarpMax(most);
    const float scale = most / 127.F;
    const float inverse = most > 0 ? 127.F / most : 0.F;
    auto* to = reinterpret_cast<int8_t*>(head) + at;
    for (uint32_t i = lane; i < n; i += 32)
      to[uint64_t{i} * stride] = static_cast<int8_t>(__float2int_rn(vector[i] * inverse));
    for (uint32_t i = n + lane; i < padded; i += 32) to[uint64_t{i} * stride] = 0;
    if (lane == 0) reinterpret_cast<float*>(head + uint64_t{kBlockTokens} * padded)[token] = scale;
  } else {
    auto* to = reinterpret_cast<__half*>(head) + at;
    for (uint32_t i = lane; i < n; i += 32) to[uint64_t{i} * stride] = Saturated(vector[i]);
    for (uint32_t i = n + lane; i < padded; i += 32) to[uint64_t{i} * stride] = __half(0.F);
  }
}

enum class HeadKind : uint8_t { kQuery, kKey, kValue };

// Head `head` of its kind of row `row`, normed and rotated, into `vector` in shared memory.
__device__ __forceinline__ void PrepareHead(const AppendArgs& a, uint32_t row, uint32_t head,
                                            HeadKind kind, float* vector, uint32_t lane) {
  const uint32_t n = a.head_dim;
  const float* from = kind == HeadKind::kQuery ? a.q + uint64_t{row} * a.ldq + head * n
                                               : (kind == HeadKind::kKey ? a.k : a.v) +
                                                     uint64_t{row} * a.ldk + head * n;
  for (uint32_t i = lane; i < n; i += 32) vector[i] = from[i];
  __syncwarp();
  if (kind == HeadKind::kValue) return;
  const float* norm = kind == HeadKind::kQuery ? a.q_norm : a.k_norm;
  if (norm != nullptr) {
    float squares = 0;
    for (uint32_t i = lane; i < n; i += 32) squares += vector[i] * vector[i];
    const float factor = 1.F / sqrtf(WarpSum(squares) / static_cast<float>(n) + a.eps);
    for (uint32_t i = lane; i < n; i += 32) vector[i] *= factor * norm[i];
    __syncwarp();
  }
  if (a.cos_sin == nullptr) return;
  const float2* turn = reinterpret_cast<const float2*>(a.cos_sin) + uint64_t{row} * a.half;
  for (uint32_t i = lane; i < a.half; i += 32) {
    const float2 cs = turn[i];
    const float x = vector[i];
    const float y = vector[i + a.half];
    vector[i] = x * cs.x - y * cs.y;
    vector[i + a.half] = y * cs.x + x * cs.y;
  }
  __syncwarp();
}

// A prepared key or value as position `token` of a block; `head`: that head's keys or values there.
template <CodecId kCodec>
__device__ __forceinline__ void StoreHead(uint32_t head_dim, std::byte* head, uint32_t token,
                                          bool key, const float* vector, uint32_t lane) {
  const uint32_t padded = (head_dim + 15) / 16 * 16;
  if (key) {
    StoreVector<kCodec>(vector, head_dim, padded, head, uint64_t{token} * padded, 1, token, lane);
  } else {
    StoreVector<kCodec>(vector, head_dim, padded, head, token, kBlockTokens, token, lane);
  }
}

}  // namespace wring::cuda
