// Weights and activations for the vendor's product of float8 (E4M3 codes by E4M3 codes).
#include <cuda_fp8.h>

#include "kernels/cuda/fragments.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/linear_common.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {
namespace {

constexpr float kLargest = 448;  // of E4M3

// Fragments hold the codes as they are, eight neighbouring columns of a row a lane; their scales count 2^-8.
__global__ void __launch_bounds__(kThreads)
    ExpandKernel(const __grid_constant__ MatrixArg w, Float8Matrix out) {
  using F = Fragments<FormatId::kFp8G128>;
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint8_t* tile = TileOf(w, blockIdx.x);
  const uint32_t row = blockIdx.x * 16 + lane / 4;
  for (uint32_t s = blockIdx.y * kWarps + threadIdx.x / 32; s < w.strips; s += kWarps * gridDim.y) {
    const typename F::Raw raw = F::Load(tile, s, lane, w.strips);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      uint8_t* to =
          out.codes + uint64_t{row} * w.strips * kStrip + s * kStrip + 32 * b + 8 * (lane % 4);
      *reinterpret_cast<uint2*>(to) = {raw.codes[b].x, raw.codes[b].y};
      to += uint64_t{8} * w.strips * kStrip;
      *reinterpret_cast<uint2*>(to) = {raw.codes[b].z, raw.codes[b].w};
    }
    if (s % 2 != 0 || lane % 4 != 0) continue;
    const uint32_t scales = raw.scales.x;
    const float2 both = __half22float2(reinterpret_cast<const __half2&>(scales));
    float* to = out.scales + uint64_t{s / 2} * out.rows + row;
    to[0] = both.x / 256;
    to[8] = both.y / 256;
  }
}

// A warp turns 128 columns of a row into codes, the largest of them 448.
__global__ void __launch_bounds__(kThreads)
    RowsKernel(const Half* x, uint32_t ldx, uint32_t rows, uint32_t groups, Float8Matrix out) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t group = blockIdx.x * kWarps + threadIdx.x / 32;
  const uint32_t row = blockIdx.y;
  if (group >= groups) return;
  uint2 raw = {0, 0};
  if (row < rows)
    raw = *reinterpret_cast<const uint2*>(x + uint64_t{row} * ldx + 128 * group + 4 * lane);
  const float2 a = __half22float2(reinterpret_cast<const __half2&>(raw.x));
  const float2 b = __half22float2(reinterpret_cast<const __half2&>(raw.y));
  const float most = WarpMax(fmaxf(fmaxf(fabsf(a.x), fabsf(a.y)), fmaxf(fabsf(b.x), fabsf(b.y))));
  const float factor = most > 0 ? kLargest / most : 0;
  const auto code = [&](float2 v) {
    return static_cast<uint32_t>(
        __nv_cvt_float2_to_fp8x2({v.x * factor, v.y * factor}, __NV_SATFINITE, __NV_E4M3));
  };
  const uint64_t cols = uint64_t{groups} * 128;
  *reinterpret_cast<uint32_t*>(out.codes + row * cols + 128 * group + 4 * lane) =
      code(a) | code(b) << 16;
  if (lane == 0) out.scales[uint64_t{group} * out.rows + row] = most / kLargest;
}

}  // namespace

void ExpandFloat8(Launcher& l, const MatrixArg& w, const Float8Matrix& out) {
  const uint32_t across = w.strips >= 4 * kWarps ? w.strips / (4 * kWarps) : 1;
  Launch(l, ExpandKernel, dim3(w.tiles, across), kThreads, 0, w, out);
}

void RowsToFloat8(Launcher& l, const Half* x, uint32_t ldx, uint32_t rows, uint32_t cols,
                  const Float8Matrix& out) {
  const uint32_t groups = cols / 128;
  Launch(l, RowsKernel, dim3((groups + kWarps - 1) / kWarps, out.rows), kThreads, 0, x, ldx, rows,
         groups, out);
}

}  // namespace wring::cuda
