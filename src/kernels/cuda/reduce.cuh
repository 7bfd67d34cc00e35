// Sums over a warp and a block in one fixed order.
#pragma once

#include <cstdint>

namespace wring::cuda {

// In every lane: sums over lanes that differ in bit 4, then 3, ...
__device__ __forceinline__ float WarpSum(float v) {
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffU, v, bit);
  return v;
}
__device__ __forceinline__ float WarpMax(float v) {
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffU, v, bit));
  return v;
}

// Threads that sum together: a word a warp in shared memory, and a barrier.
template <typename Sync>
struct Team {
  float* of_warp;
  Sync sync;
};
struct SyncBlock {
  __device__ __forceinline__ void operator()() const { __syncthreads(); }
};
template <uint32_t kThreadCount>
__device__ __forceinline__ Team<SyncBlock> WholeBlock() {
  __shared__ float of_warp[kThreadCount / 32];
  return {of_warp, {}};
}

// In each of kThreadCount threads, of which this is `thread`.
template <uint32_t kThreadCount, typename Sync>
__device__ __forceinline__ float TeamSum(float v, uint32_t thread, const Team<Sync>& team) {
  v = WarpSum(v);
  if (thread % 32 == 0) team.of_warp[thread / 32] = v;
  team.sync();
  float sum = team.of_warp[0];
#pragma unroll
  for (uint32_t w = 1; w < kThreadCount / 32; ++w) sum += team.of_warp[w];
  team.sync();  // of_warp may be used again
  return sum;
}

}  // namespace wring::cuda
