// Parts of attention become the whole. The shape of the sum is fixed by positions alone: the blocks of a chunk by their
// common maximum, chunks to a span and spans to the whole in order. So a vector's bits depend on no cut.
#pragma once

#include "kernels/cuda/attend_block.cuh"

namespace wring::cuda {

// exp2(a - b) where a <= b and both may be minus infinity.
__device__ __forceinline__ float Shrink(float a, float b) {
  return a == -INFINITY ? 0.F : Exp2(a - b);
}

// Maximum, sum and outputs of some positions, for four channels of a vector.
struct Partial {
  float max = -INFINITY, sum = 0;
  float4 out = {0, 0, 0, 0};

  __device__ __forceinline__ void Add(const Partial& p) {
    const float most = fmaxf(max, p.max);
    const float mine = Shrink(max, most);
    const float other = Shrink(p.max, most);
    out.x = __fmaf_rn(out.x, mine, p.out.x * other);
    out.y = __fmaf_rn(out.y, mine, p.out.y * other);
    out.z = __fmaf_rn(out.z, mine, p.out.z * other);
    out.w = __fmaf_rn(out.w, mine, p.out.w * other);
    sum = __fmaf_rn(sum, mine, p.sum * other);
    max = most;
  }
};

// What the warps leave of the blocks of a chunk.
template <uint32_t kDim>
struct ChunkBlocks {
  static constexpr uint32_t kPitch = kDim + 4;
  float* outs;   // [warp][count][kPitch]
  float* maxes;  // [warp][count]
  float* sums;   // the same
  uint32_t count;
  __device__ __forceinline__ ChunkBlocks(uint8_t* memory, uint32_t vectors)
      : outs(reinterpret_cast<float*>(memory)),
        maxes(outs + kAttendWarps * vectors * kPitch),
        sums(maxes + kAttendWarps * vectors),
        count(vectors) {}
  static constexpr uint32_t Bytes(uint32_t vectors) {
    return kAttendWarps * vectors * (kPitch + 2) * sizeof(float);
  }

  // Channels 4 c .. 4 c + 3 of vector n of the chunk; has(w): whether there is a block w.
  template <typename Has>
  __device__ __forceinline__ Partial Fold(uint32_t n, uint32_t c, Has has) const {
    Partial all;
#pragma unroll
    for (uint32_t w = 0; w < kAttendWarps; ++w) {
      if (has(w)) all.max = fmaxf(all.max, maxes[w * count + n]);
    }
#pragma unroll
    for (uint32_t w = 0; w < kAttendWarps; ++w) {
      if (!has(w)) continue;
      const float f = Shrink(maxes[w * count + n], all.max);
      const float4 o = *reinterpret_cast<const float4*>(outs + (w * count + n) * kPitch + 4 * c);
      all.sum = __fmaf_rn(sums[w * count + n], f, all.sum);
      all.out.x = __fmaf_rn(o.x, f, all.out.x);
      all.out.y = __fmaf_rn(o.y, f, all.out.y);
      all.out.z = __fmaf_rn(o.z, f, all.out.z);
      all.out.w = __fmaf_rn(o.w, f, all.out.w);
    }
    return all;
  }
};

// Parts in device memory: [part][vector] of so many floats, outputs first, then maximum and sum.
template <uint32_t kDim>
struct Parts {
  static constexpr uint32_t kFloats = kDim + kPartialFloats;
  float* first;
  uint64_t stride;  // floats between parts
  __device__ __forceinline__ void Store(uint32_t part, uint32_t n, uint32_t c,
                                        const Partial& p) const {
    float* to = first + part * stride + n * kFloats;
    *reinterpret_cast<float4*>(to + 4 * c) = p.out;
    if (c == 0) *reinterpret_cast<float2*>(to + kDim) = {p.max, p.sum};
  }
  __device__ __forceinline__ Partial Load(uint32_t part, uint32_t n, uint32_t c) const {
    const float* from = first + part * stride + n * kFloats;
    const float2 both = __ldcg(reinterpret_cast<const float2*>(from + kDim));
    return {both.x, both.y, __ldcg(reinterpret_cast<const float4*>(from + 4 * c))};
  }

  // All of them in order. chunk: which chunk of its span the first one is; spans: they are spans.
  __device__ __forceinline__ Partial Fold(uint32_t parts, bool spans, uint32_t chunk, uint32_t n,
                                          uint32_t c) const {
    Partial whole;
    Partial span;
    constexpr uint32_t kBatch = 16;  // asked for at once
    for (uint32_t at = 0; at < parts; at += kBatch) {
      Partial x[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) x[k] = Load(min(at + k, parts - 1), n, c);
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        const uint32_t part = at + k;
        if (part >= parts) break;
        if (spans || (chunk + part) % kSpanChunks == 0) {
          whole.Add(span);
          span = x[k];
        } else {
          span.Add(x[k]);
        }
      }
    }
    whole.Add(span);
    return whole;
  }
};

}  // namespace wring::cuda
