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

// A sum as BlockSum() has it, and the largest of what the threads of a block of kThreadCount have, none of it below 0. A barrier
// must come before it is called again.
template <uint32_t kThreadCount>
__device__ __forceinline__ float2 BlockSumAndMost(float v, float most) {
  __shared__ float2 of_warp[kThreadCount / 32];
  v = WarpSum(v);
#if __CUDA_ARCH__ >= 800
  most = __uint_as_float(__reduce_max_sync(0xffffffffU, __float_as_uint(most)));
#else
  most = WarpMax(most);
#endif
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = {v, most};
  __syncthreads();
  float2 all = of_warp[0];
#pragma unroll
  for (uint32_t w = 1; w < kThreadCount / 32; ++w) {
    all.x += of_warp[w].x;
    all.y = fmaxf(all.y, of_warp[w].y);
  }
  return all;
}

// In every thread of a block of kThreadCount.
template <uint32_t kThreadCount>
__device__ __forceinline__ float BlockSum(float v) {
  __shared__ float of_warp[kThreadCount / 32];
  v = WarpSum(v);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = v;
  __syncthreads();
  float sum = of_warp[0];
#pragma unroll
  for (uint32_t w = 1; w < kThreadCount / 32; ++w) sum += of_warp[w];
  __syncthreads();  // of_warp may be used again
  return sum;
}

}  // namespace wring::cuda
