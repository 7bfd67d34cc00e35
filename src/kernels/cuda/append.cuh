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
__device__ __forceinline__ void StoreVector(const float* vector, uint32_t n, uint32_t padded,
                                            std::byte* head, uint64_t at, uint32_t stride,
                                            uint32_t token, uint32_t lane) {
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
#pragma unroll 2
    for (uint32_t i = lane; i < n; i += 32) to[uint64_t{i} * stride] = Saturated(vector[i]);
#pragma unroll 1
    for (uint32_t i = n + lane; i < padded; i += 32) to[uint64_t{i} * stride] = __half(0.F);
  }
}

__device__ __forceinline__ float LoadInput(const AppendArgs& a, const void* from, uint64_t at) {
  return a.halves ? __half2float(static_cast<const __half*>(from)[at])
                  : static_cast<const float*>(from)[at];
}

enum class HeadKind : uint8_t { kQuery, kKey, kValue };

// Head `head` of its kind of row `row`, normed and rotated: store(channel, value) for the head's channels. kMost: channels
// that a head may have.
template <uint32_t kMost, typename Store>
__device__ __forceinline__ void PrepareHead(const AppendArgs& a, uint32_t row, uint32_t head,
                                            HeadKind kind, uint32_t lane, Store store) {
  constexpr uint32_t kEach = (kMost + 63) / 64;  // pairs a lane
  const uint32_t n = a.head_dim;
  const void* from = kind == HeadKind::kQuery ? a.q : kind == HeadKind::kKey ? a.k : a.v;
  const uint64_t first =
      uint64_t{row} * (kind == HeadKind::kQuery ? a.ldq : a.ldk) + uint64_t{head} * n;
  // Lanes have the pairs that turn together; of channels that do not turn, pairs of the same kind.
  const bool turns = kind != HeadKind::kValue && a.cos_sin != nullptr;
  const uint32_t half = turns ? a.half : 0;
  const uint32_t rest = (n - 2 * half + 1) / 2;
  const float2* turn = reinterpret_cast<const float2*>(a.cos_sin) + uint64_t{row} * a.half;
  float x[kEach];
  float y[kEach];
  float2 cs[kEach];
  uint32_t at[kEach][2];                          // channels; kMaxHead: none
  const uint32_t each = (half + rest + 31) / 32;  // of kEach
#pragma unroll
  for (uint32_t j = 0; j < kEach; ++j) {
    if (j >= each) break;
    const uint32_t i = lane + 32 * j;
    const bool turned = i < half;
    at[j][0] = turned ? i : i - half < rest ? i + half : kMaxHead;
    at[j][1] = turned ? i + half : at[j][0] + rest < n ? at[j][0] + rest : kMaxHead;
    x[j] = at[j][0] < n ? LoadInput(a, from, first + at[j][0]) : 0.F;
    y[j] = at[j][1] < n ? LoadInput(a, from, first + at[j][1]) : 0.F;
    cs[j] = turned ? turn[i] : make_float2(1, 0);
  }
  const float* norm = kind == HeadKind::kQuery ? a.q_norm
                      : kind == HeadKind::kKey ? a.k_norm
                                               : nullptr;
  if (norm != nullptr) {
    float squares = 0;
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j) {
      if (j < each) squares += x[j] * x[j] + y[j] * y[j];
    }
    const float factor = 1.F / sqrtf(WarpSum(squares) / static_cast<float>(n) + a.eps);
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j) {
      if (j >= each) break;
      if (at[j][0] < n) x[j] *= factor * norm[at[j][0]];
      if (at[j][1] < n) y[j] *= factor * norm[at[j][1]];
    }
  }
#pragma unroll
  for (uint32_t j = 0; j < kEach; ++j) {
    if (j >= each) break;
    const float turned = x[j] * cs[j].x - y[j] * cs[j].y;
    if (at[j][0] < n) store(at[j][0], turned);
    if (at[j][1] < n) store(at[j][1], y[j] * cs[j].x + x[j] * cs[j].y);
  }
}

// The same into `vector` in shared memory.
template <uint32_t kMost>
__device__ __forceinline__ void PrepareHead(const AppendArgs& a, uint32_t row, uint32_t head,
                                            HeadKind kind, float* vector, uint32_t lane) {
  PrepareHead<kMost>(a, row, head, kind, lane, [&](uint32_t c, float v) { vector[c] = v; });
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
