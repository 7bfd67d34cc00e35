// Ops that work on each row by itself: RMS norm, gated activation, residual sum, soft cap.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.cuh"

namespace wring::cuda {
namespace {

constexpr uint32_t kNormThreads = 256;

__global__ void __launch_bounds__(kNormThreads) NormKernel(const __grid_constant__ NormArgs a) {
  LetNextStart();
  WaitForPrevious();
  const uint64_t at = uint64_t{blockIdx.x} * a.ld;
  NormRow<kNormThreads>(a, blockIdx.x, (a.cols + 3) / 4 * 4, [&](uint32_t c, const float4& v) {
    if (a.half_out != nullptr) {
      *reinterpret_cast<uint2*>(a.half_out + at + c) = Halves4(v);
    } else {
      *reinterpret_cast<float4*>(a.out + at + c) = v;
    }
  });
}

__global__ void AddKernel(float* x, const float* y, uint64_t count) {
  LetNextStart();
  WaitForPrevious();
  const uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) x[i] += y[i];
}

__global__ void SoftCapKernel(float* x, float cap, uint64_t count) {
  LetNextStart();
  WaitForPrevious();
  const uint64_t i = uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) x[i] = cap * tanhf(x[i] / cap);
}

__global__ void GatedKernel(Gate gate, const float* g, const float* u, uint32_t cols,
                            uint32_t ld_in, Half* out, uint32_t ld_out) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t c = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
  if (c >= cols) return;
  const uint64_t in = uint64_t{blockIdx.y} * ld_in + c;  // rows are padded to 16 floats
  const float4 gs = *reinterpret_cast<const float4*>(g + in);
  const float4 us = *reinterpret_cast<const float4*>(u + in);
  __half* to = reinterpret_cast<__half*>(out) + uint64_t{blockIdx.y} * ld_out + c;
  const float v[4] = {GateOf(gate, gs.x) * us.x, GateOf(gate, gs.y) * us.y,
                      GateOf(gate, gs.z) * us.z, GateOf(gate, gs.w) * us.w};
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    if (c + i < cols) to[i] = Saturated(v[i]);
  }
}

__global__ void GatedHalfKernel(Gate gate, Half* g, const Half* u, uint32_t cols, uint32_t ld) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t c = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
  if (c >= cols) return;  // rows are padded to 64 values
  const uint64_t at = uint64_t{blockIdx.y} * ld + c;
  uint4 gs = *reinterpret_cast<const uint4*>(g + at);
  const uint4 us = *reinterpret_cast<const uint4*>(u + at);
  const auto pair = [&](uint32_t& a, uint32_t b) {
    const float2 x = __half22float2(AsHalf2(a));
    const float2 y = __half22float2(AsHalf2(b));
    a = AsWord(
        __halves2half2(Saturated(GateOf(gate, x.x) * y.x), Saturated(GateOf(gate, x.y) * y.y)));
  };
  pair(gs.x, us.x);
  pair(gs.y, us.y);
  pair(gs.z, us.z);
  pair(gs.w, us.w);
  *reinterpret_cast<uint4*>(g + at) = gs;
}

uint32_t Blocks(uint64_t count) { return static_cast<uint32_t>((count + 255) / 256); }

}  // namespace

void RmsNorm(Launcher& l, const NormArgs& a) { Launch(l, NormKernel, a.rows, kNormThreads, 0, a); }
void Add(Launcher& l, float* x, const float* y, uint64_t count) {
  Launch(l, AddKernel, Blocks(count), 256, 0, x, y, count);
}
void SoftCap(Launcher& l, float* x, float cap, uint64_t count) {
  Launch(l, SoftCapKernel, Blocks(count), 256, 0, x, cap, count);
}
void Gated(Launcher& l, Gate gate, const float* g, const float* u, uint32_t rows, uint32_t cols,
           uint32_t ld_in, Half* out, uint32_t ld_out) {
  Launch(l, GatedKernel, dim3((cols + 1023) / 1024, rows), 256, 0, gate, g, u, cols, ld_in, out,
         ld_out);
}

void GatedHalf(Launcher& l, Gate gate, Half* g, const Half* u, uint32_t rows, uint32_t cols,
               uint32_t ld) {
  Launch(l, GatedHalfKernel, dim3((cols + 2047) / 2048, rows), 256, 0, gate, g, u, cols, ld);
}

}  // namespace wring::cuda
