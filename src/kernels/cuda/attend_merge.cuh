// Parts of attention in device memory become the whole: who was last to finish a tile reads them all, in order.
#pragma once

#include "kernels/cuda/attend_block.cuh"

namespace wring::cuda {

// All parts of a tile, in order, a thread a value. partial(p): outputs, maxima and sums of part p; store(value, sum).
template <uint32_t kDim, typename From, typename Store>
__device__ __forceinline__ void MergeParts(const AttendItem& item, From partial, Store store) {
  const uint32_t count = item.count;
  for (uint32_t i = threadIdx.x; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    Partial<1, 1> all = {};
    Partial<1, 1> chunk = {};
    bool any = false;  // of `all`
    const auto flush = [&] {
      if (any) {
        all.Add(chunk);
      } else {
        all = chunk;
      }
      any = true;
    };
    constexpr uint32_t kBatch = 4;  // asked for at once
    for (uint32_t first = 0; first < item.parts; first += kBatch) {
      Partial<1, 1> x[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        const float* from = partial(min(first + k, item.parts - 1));
        x[k].max[0] = __ldcg(from + count * kDim + n);
        x[k].sum[0] = __ldcg(from + count * (kDim + 1) + n);
        x[k].out[0][0] = __ldcg(from + i);
      }
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        const uint32_t p = first + k;
        if (p >= item.parts) break;
        if (p > 0 && item.of_chunks == 0 && (item.origin + p) % kChunkBlocks != 0) {
          chunk.Add(x[k]);
          continue;
        }
        if (p > 0) flush();
        chunk = x[k];
      }
    }
    flush();
    store(i, all.out[0][0], all.sum[0]);
  }
}

// The same, to the bit, for parts that are chunks: what they are multiplied by is computed once a vector. factors:
// [parts][count]; sums: a float a vector.
template <uint32_t kDim, typename From, typename Store>
__device__ __forceinline__ void MergeChunks(uint32_t parts, uint32_t count, From partial,
                                            float2* factors, float* sums, Store store) {
  for (uint32_t i = threadIdx.x; i < parts * count; i += kAttendThreads) {
    const float* from = partial(i / count) + count * kDim + i % count;
    factors[i] = {__ldcg(from), __ldcg(from + count)};
  }
  __syncthreads();
  if (threadIdx.x < count) {
    Partial<1, 1> all = {{factors[threadIdx.x].x}, {factors[threadIdx.x].y}, {}};
    factors[threadIdx.x] = {0, 1};
    for (uint32_t p = 1; p < parts; ++p) {
      float2& f = factors[p * count + threadIdx.x];
      const float most = fmaxf(all.max[0], f.x);
      const float mine = Shrink(all.max[0], most);
      const float other = Shrink(f.x, most);
      all.sum[0] = __fmaf_rn(all.sum[0], mine, f.y * other);
      all.max[0] = most;
      f = {mine, other};
    }
    sums[threadIdx.x] = all.sum[0];
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    constexpr uint32_t kBatch = 16;  // asked for at once
    float out = 0;
    for (uint32_t first = 0; first < parts; first += kBatch) {
      float o[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k)
        o[k] = first + k < parts ? __ldcg(partial(first + k) + i) : 0.F;
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (first + k >= parts) break;
        const float2 f = factors[(first + k) * count + n];
        out = first + k == 0 ? o[k] : __fmaf_rn(out, f.x, o[k] * f.y);
      }
    }
    store(i, out, sums[n]);
  }
}

}  // namespace wring::cuda
