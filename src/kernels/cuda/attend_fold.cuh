// Parts of attention become the whole. The shape of the sum is fixed by positions alone: the pieces of a chunk by their
// common maximum, chunks to a span and spans to the whole in order. So a vector's bits depend on no cut.
#pragma once

#include <cstddef>

#include "kernels/cuda/attend_block.cuh"
#include "kernels/cuda/cluster.cuh"

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

// What the warps leave of the pieces of a chunk.
template <uint32_t kDim>
struct ChunkPieces {
  static constexpr uint32_t kPitch = kDim + 4;
  float* outs;   // [warp][count][kPitch]
  float* maxes;  // [warp][count]
  float* sums;   // the same
  uint32_t count;
  __device__ __forceinline__ ChunkPieces(uint8_t* memory, uint32_t vectors)
      : outs(reinterpret_cast<float*>(memory)),
        maxes(outs + kAttendWarps * vectors * kPitch),
        sums(maxes + kAttendWarps * vectors),
        count(vectors) {}
  static constexpr uint32_t Bytes(uint32_t vectors) {
    return kAttendWarps * vectors * (kPitch + 2) * sizeof(float);
  }

  // Channels 4 c .. 4 c + 3 of vector n of the chunk; has(w): whether there is a piece w.
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

  // Parts first .. end - 1, in order.
  __device__ __forceinline__ Partial Fold(uint32_t first, uint32_t end, uint32_t n,
                                          uint32_t c) const {
    Partial all;
    constexpr uint32_t kBatch = 8;  // asked for at once
    for (uint32_t at = first; at < end; at += kBatch) {
      Partial x[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) x[k] = Load(min(at + k, end - 1), n, c);
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (at + k < end) all.Add(x[k]);
      }
    }
    return all;
  }
};

// The parts that the blocks of a cluster have of one value, each at `mine` in its own shared memory, in order.
__device__ __forceinline__ Partial FoldCluster(uint32_t mine, uint32_t parts, uint32_t span_parts,
                                               uint32_t before) {
  Partial whole;
  Partial span;
  constexpr uint32_t kBatch = 4;  // asked for at once
#pragma unroll 1
  for (uint32_t at = 0; at < parts; at += kBatch) {
    Partial x[kBatch];
#pragma unroll
    for (uint32_t k = 0; k < kBatch; ++k) {
      const uint32_t there = AddressOf(min(at + k, parts - 1), mine);
      const float2 both = LoadThere2(there);
      x[k] = {both.x, both.y, LoadThere4(there + offsetof(Partial, out))};
    }
#pragma unroll
    for (uint32_t k = 0; k < kBatch; ++k) {
      if (at + k >= parts) continue;
      if (at + k > 0 && (before + at + k) % span_parts == 0) {
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

// All parts of an item's vectors by a block of threads: spans of `span_parts`, of which the first lacks `before`, then those
// in order. Where there are more threads than values they share out spans. shared: kAttendThreads Partial.
// store(vector, quarter, whole).
template <uint32_t kDim, typename Store>
__device__ __forceinline__ void FoldParts(const Parts<kDim>& parts, uint32_t count, uint32_t all,
                                          uint32_t span_parts, uint32_t before, uint8_t* shared,
                                          Store store) {
  constexpr uint32_t kQuarters = kDim / 4;
  auto* folded = reinterpret_cast<Partial*>(shared);
  const uint32_t units = count * kQuarters;
  const uint32_t sharers = units < kAttendThreads ? kAttendThreads / units : 1;
  const uint32_t now = sharers > 1 ? units : kAttendThreads;  // units at once
  const uint32_t mine = threadIdx.x / now;
  const uint32_t spans = (before + all + span_parts - 1) / span_parts;
  for (uint32_t first = 0; first < units; first += now) {
    const uint32_t unit = first + threadIdx.x % now;
    const uint32_t n = unit / kQuarters;
    const uint32_t c = unit % kQuarters;
    Partial whole;
#pragma unroll 1
    for (uint32_t s = 0; s < spans; s += sharers) {
      const uint32_t span = s + mine;
      Partial x;
      if (unit < units && mine < sharers && span < spans) {
        const uint32_t begin = span == 0 ? 0 : span * span_parts - before;
        x = parts.Fold(begin, min(all, (span + 1) * span_parts - before), n, c);
      }
      if (sharers == 1) {
        whole.Add(x);
        continue;
      }
      folded[threadIdx.x] = x;
      __syncthreads();
      if (mine == 0) {
        for (uint32_t k = 0; k < min(sharers, spans - s); ++k)
          whole.Add(folded[k * now + threadIdx.x]);
      }
      __syncthreads();
    }
    if (unit < units && mine == 0) store(n, c, whole);
  }
}

}  // namespace wring::cuda
