// Arithmetic of a row that several kernels share, so that a row has the same bits whichever runs.
#pragma once

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {

// The weights of a norm that a thread of kThreadCount keeps, of quadruples of columns 4 kThreadCount apart. They may be asked for
// before the launch before has ended.
template <uint32_t kThreadCount>
struct NormWeights {
  static constexpr uint32_t kKept = 4;
  static constexpr uint32_t kStep = 4 * kThreadCount;
  float4 kept[kKept];

  __device__ static __forceinline__ float4 Of(const NormArgs& a, uint32_t c) {
    return c < a.cols ? __ldg(reinterpret_cast<const float4*>(a.weight + c)) : float4{0, 0, 0, 0};
  }
  __device__ __forceinline__ void Load(const NormArgs& a) {
#pragma unroll
    for (uint32_t i = 0; i < kKept; ++i) kept[i] = Of(a, 4 * threadIdx.x + i * kStep);
  }
};

// RMS norm of row `row` by a block of kThreadCount threads: store(c, values of columns c .. c + 3), zero beyond the
// columns, for c below `width`, a multiple of 4 up to which x and the weight may be read.
template <uint32_t kThreadCount, typename Store>
__device__ __forceinline__ void NormRowFrom(const NormArgs& a,
                                            const NormWeights<kThreadCount>& weights, uint32_t row,
                                            uint32_t width, Store store) {
  using Weights = NormWeights<kThreadCount>;
  constexpr uint32_t kKept = Weights::kKept;  // quadruples that stay between the two passes
  constexpr uint32_t kStep = Weights::kStep;
  const float* x = a.x + uint64_t{a.gather == nullptr ? row : a.gather[row]} * a.ldx;
  const auto load = [&](uint32_t c) {
    float4 v = {0, 0, 0, 0};
    if (c < a.cols) v = *reinterpret_cast<const float4*>(x + c);
    if (c + 1 >= a.cols) v.y = 0;
    if (c + 2 >= a.cols) v.z = 0;
    if (c + 3 >= a.cols) v.w = 0;
    return v;
  };
  const uint32_t first = 4 * threadIdx.x;
  float4 kept[kKept];
#pragma unroll
  for (uint32_t i = 0; i < kKept; ++i) kept[i] = load(first + i * kStep);
  float squares = 0;
  const auto add = [&](const float4& v) {
    squares = __fmaf_rn(v.x, v.x, squares);
    squares = __fmaf_rn(v.y, v.y, squares);
    squares = __fmaf_rn(v.z, v.z, squares);
    squares = __fmaf_rn(v.w, v.w, squares);
  };
#pragma unroll
  for (uint32_t i = 0; i < kKept; ++i) add(kept[i]);
#pragma unroll 1
  for (uint32_t c = first + kKept * kStep; c < a.cols; c += kStep) add(load(c));
  squares = BlockSum<kThreadCount>(squares);
  // Exact division and root are code that is fetched anew in every launch.
  const float factor = rsqrtf(__fdividef(squares, static_cast<float>(a.cols)) + a.eps);
  const auto finish = [&](uint32_t c, const float4& v, const float4& w) {
    store(c, make_float4(v.x * factor * w.x, v.y * factor * w.y, v.z * factor * w.z,
                         v.w * factor * w.w));
  };
#pragma unroll
  for (uint32_t i = 0; i < kKept; ++i) {
    const uint32_t c = first + i * kStep;
    if (c < width) finish(c, kept[i], weights.kept[i]);
  }
#pragma unroll 1
  for (uint32_t c = first + kKept * kStep; c < width; c += kStep)
    finish(c, load(c), Weights::Of(a, c));
}

template <uint32_t kThreadCount, typename Store>
__device__ __forceinline__ void NormRow(const NormArgs& a, uint32_t row, uint32_t width,
                                        Store store) {
  NormWeights<kThreadCount> weights;
  weights.Load(a);
  NormRowFrom<kThreadCount>(a, weights, row, width, store);
}

__device__ __forceinline__ uint2 Halves4(const float4& v) {
  return {AsWord(__halves2half2(Saturated(v.x), Saturated(v.y))),
          AsWord(__halves2half2(Saturated(v.z), Saturated(v.w)))};
}

__device__ __forceinline__ float GateOf(Gate gate, float g) {
  const float u = gate == Gate::kSilu ? g : 1.5957691216F * (g + 0.044715F * g * g * g);
  return __fdividef(g, 1.F + __expf(-u));
}

}  // namespace wring::cuda
