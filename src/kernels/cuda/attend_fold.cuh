// Parts of attention become the whole. The shape of the sum is fixed by positions alone: the pieces of a chunk by their
// common maximum, chunks to a span and spans to the whole in order. So a vector's bits depend on no cut.
#pragma once

#include "kernels/cuda/attend_block.cuh"
#include "kernels/cuda/sent.cuh"

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

// Parts in device memory: [part][vector] of outputs, then maximum and sum for every four of them. Whoever has the last part
// of a tile folds them all; a number that has not come is kUnsent, and is that again once it is read. That block waits for blocks
// of lower numbers, which begin before it does.
template <uint32_t kDim>
struct Parts {
  static constexpr uint32_t kFloats = PartialFloats(kDim);
  float* first;
  uint64_t stride;  // floats between parts
  struct Words {
    uint4 out;
    uint2 both;
  };
  __device__ __forceinline__ float* Out(uint32_t part, uint32_t n, uint32_t c) const {
    return first + part * stride + n * kFloats + 4 * c;
  }
  // From where those outputs are.
  __device__ static __forceinline__ float* Both(float* out, uint32_t c) {
    return out + kDim - 2 * c;
  }
  __device__ __forceinline__ void Store(uint32_t part, uint32_t n, uint32_t c,
                                        const Partial& p) const {
    float* to = Out(part, n, c);
    StoreNear(reinterpret_cast<uint4*>(to), {__float_as_uint(p.out.x), __float_as_uint(p.out.y),
                                             __float_as_uint(p.out.z), __float_as_uint(p.out.w)});
    StoreNear(reinterpret_cast<uint2*>(Both(to, c)),
              {__float_as_uint(p.max), __float_as_uint(p.sum)});
  }
  // Asks once.
  __device__ __forceinline__ Words Ask(uint32_t part, uint32_t n, uint32_t c) const {
    float* from = Out(part, n, c);
    return {LoadNear(reinterpret_cast<const uint4*>(from)),
            LoadNear(reinterpret_cast<const uint2*>(Both(from, c)))};
  }
  // What was asked for, once it has come.
  __device__ __forceinline__ Partial Take(Words w, uint32_t part, uint32_t n, uint32_t c) const {
    while (!IsSent(w.out) || !IsSent(w.both)) w = Ask(part, n, c);
    float* at = Out(part, n, c);
    Unsend(reinterpret_cast<uint4*>(at));
    Unsend(reinterpret_cast<uint2*>(Both(at, c)));
    return {__uint_as_float(w.both.x),
            __uint_as_float(w.both.y),
            {__uint_as_float(w.out.x), __uint_as_float(w.out.y), __uint_as_float(w.out.z),
             __uint_as_float(w.out.w)}};
  }

  // Parts first .. end - 1, in order.
  __device__ __forceinline__ Partial Fold(uint32_t first, uint32_t end, uint32_t n,
                                          uint32_t c) const {
    Partial all;
    constexpr uint32_t kBatch = 4;  // asked for at once
#pragma unroll 1
    for (uint32_t at = first; at < end; at += kBatch) {
      Words w[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (at + k < end) w[k] = Ask(at + k, n, c);
      }
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (at + k < end) all.Add(Take(w[k], at + k, n, c));
      }
    }
    return all;
  }
};

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
