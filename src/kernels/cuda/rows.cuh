// Arithmetic of a row that several kernels share, so that a row has the same bits whichever runs.
#pragma once

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {

// 1 / sqrt(mean of squares + eps), in every thread of a block of kThreadCount.
template <uint32_t kThreadCount>
__device__ __forceinline__ float NormFactor(const float* x, uint32_t cols, float eps) {
  float squares = 0;
  for (uint32_t c = threadIdx.x; c < cols; c += kThreadCount)
    squares = __fmaf_rn(x[c], x[c], squares);
  squares = BlockSum<kThreadCount / 32>(squares);
  return 1.F / sqrtf(squares / static_cast<float>(cols) + eps);
}

__device__ __forceinline__ float GateOf(Gate gate, float g) {
  if (gate == Gate::kSilu) return g / (1.F + __expf(-g));
  const float u2 = -1.5957691216F * (g + 0.044715F * g * g * g);
  return g / (1.F + __expf(u2));
}

}  // namespace wring::cuda
