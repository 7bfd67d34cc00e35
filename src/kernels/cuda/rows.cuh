// Arithmetic of a row that several kernels share, so that a row has the same bits whichever runs.
#pragma once

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {

// RMS norm of row `row` by a block of kThreadCount threads: store(c, values of columns c .. c + 3), zero beyond the
// columns, for c below `width`, a multiple of 4 up to which x and the weight may be read. kMost: begin(magnitude of the
// largest) is called before; between two rows the block must meet.
template <uint32_t kThreadCount, bool kMost, typename Begin, typename Store>
__device__ __forceinline__ void NormRowFrom(const NormArgs& a, uint32_t row, uint32_t width,
                                            Begin begin, Store store) {
  constexpr uint32_t kKept = 4;  // quadruples that stay in registers between the two passes
  constexpr uint32_t kStep = 4 * kThreadCount;
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
  float4 weights[kKept];
  const auto weight = [&](uint32_t c) {
    return c < a.cols ? __ldg(reinterpret_cast<const float4*>(a.weight + c)) : float4{0, 0, 0, 0};
  };
#pragma unroll
  for (uint32_t i = 0; i < kKept; ++i) {
    kept[i] = load(first + i * kStep);
    weights[i] = weight(first + i * kStep);
  }
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
  float most = 0;
  if constexpr (kMost) {
    const auto meet = [&](const float4& v, const float4& w) {
      most = MostOf(most, v.x * w.x, v.y * w.y);
      most = MostOf(most, v.z * w.z, v.w * w.w);
    };
#pragma unroll
    for (uint32_t i = 0; i < kKept; ++i) meet(kept[i], weights[i]);
#pragma unroll 1
    for (uint32_t c = first + kKept * kStep; c < a.cols; c += kStep) meet(load(c), weight(c));
    const float2 both = BlockSumAndMost<kThreadCount>(squares, most);
    squares = both.x;
    most = both.y;
  } else {
    squares = BlockSum<kThreadCount>(squares);
  }
  const float factor = 1.F / sqrtf(squares / static_cast<float>(a.cols) + a.eps);
  if constexpr (kMost) begin(most * factor);
  const auto finish = [&](uint32_t c, const float4& v, const float4& w) {
    store(c, make_float4(v.x * factor * w.x, v.y * factor * w.y, v.z * factor * w.z,
                         v.w * factor * w.w));
  };
#pragma unroll
  for (uint32_t i = 0; i < kKept; ++i) {
    const uint32_t c = first + i * kStep;
    if (c < width) finish(c, kept[i], weights[i]);
  }
#pragma unroll 1
  for (uint32_t c = first + kKept * kStep; c < width; c += kStep) finish(c, load(c), weight(c));
}

template <uint32_t kThreadCount, typename Store>
__device__ __forceinline__ void NormRow(const NormArgs& a, uint32_t row, uint32_t width,
                                        Store store) {
  NormRowFrom<kThreadCount, false>(a, row, width, [](float) {}, store);
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
