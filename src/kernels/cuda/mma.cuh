// One warp's pieces of a Hopper (or Ampere) kernel: tensor core products, half arithmetic, dependent launches.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace wring::cuda {

// C[16 x 8] += A[16 x 16] B[16 x 8], float32 sums. Lane 4 g + t holds of A rows g (a0, a2) and g + 8 (a1, a3), k 2t, 2t+1
// (a0, a1) and 2t+8, 2t+9; of B column g, the same k; of C rows g (c0, c1), g + 8 (c2, c3), columns 2t, 2t+1.
__device__ __forceinline__ void Mma(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                    uint32_t a3, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// C[16 x 8] = A[16 x 32] B[32 x 8] of signed bytes, exact. Lane 4 g + t holds of A rows g (a0, a2) and g + 8 (a1, a3), k 4t to
// 4t+3 (a0, a1) and 4t+16 to 4t+19; of B column g, the same k; of C as above.
__device__ __forceinline__ void MmaBytes(int32_t (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                         uint32_t b1) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%10,%10,%10,%10};\n"
      : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(0));
}

__device__ __forceinline__ __half2 AsHalf2(uint32_t v) { return *reinterpret_cast<__half2*>(&v); }
__device__ __forceinline__ uint32_t AsWord(__half2 v) { return *reinterpret_cast<uint32_t*>(&v); }
__device__ __forceinline__ uint32_t Splat(uint32_t halves, int which) {
  return AsWord(which == 0 ? __low2half2(AsHalf2(halves)) : __high2half2(AsHalf2(halves)));
}
// (a & mask) | set in one instruction, which the compiler makes two of when both are constants.
__device__ __forceinline__ uint32_t MaskOr(uint32_t a, uint32_t mask, uint32_t set) {
  uint32_t r;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(r) : "r"(a), "r"(mask), "r"(set));
  return r;
}
// The value as it is, but unknown to the compiler: it stays in a register instead of being computed again and again.
template <typename T>
__device__ __forceinline__ T* Kept(T* p) {
  asm volatile("" : "+l"(p));
  return p;
}
__device__ __forceinline__ uint32_t Kept(uint32_t v) {
  asm volatile("" : "+r"(v));
  return v;
}
__device__ __forceinline__ uint32_t SharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ __forceinline__ uint4 LoadShared(uint32_t address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(address));
  return v;
}
__device__ __forceinline__ uint2 LoadShared2(uint32_t address) {
  uint2 v;
  asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address));
  return v;
}
// Four 8 x 8 matrices of 16-bit values: lane l gives the address of row l % 8 of matrix l / 8, and gets two values of row
// l / 4 of each.
__device__ __forceinline__ void LoadMatrices(uint32_t (&m)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(address));
}
// An 8 x 8 matrix, two values of a row a lane, transposed.
__device__ __forceinline__ uint32_t Transposed(uint32_t v) {
  uint32_t r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(v));
  return r;
}
__device__ __forceinline__ uint32_t Mul2(uint32_t a, uint32_t b) {
  return AsWord(__hmul2_rn(AsHalf2(a), AsHalf2(b)));
}
__device__ __forceinline__ uint32_t Fma2(uint32_t a, uint32_t b, uint32_t c) {
  return AsWord(__hfma2(AsHalf2(a), AsHalf2(b), AsHalf2(c)));
}
__device__ __forceinline__ uint32_t Add2(uint32_t a, uint32_t b) {
  return AsWord(__hadd2_rn(AsHalf2(a), AsHalf2(b)));
}
__device__ __forceinline__ uint32_t Sub2(uint32_t a, uint32_t b) {
  return AsWord(__hsub2_rn(AsHalf2(a), AsHalf2(b)));
}
// Two float16 of one value that float16 holds exactly.
__host__ __device__ constexpr uint32_t Half2Of(int v) {
  // v as float16 by hand: |v| < 2048.
  uint32_t magnitude = static_cast<uint32_t>(v < 0 ? -v : v);
  uint32_t bits = 0;
  if (magnitude != 0) {
    uint32_t exponent = 0;
    while ((magnitude >> (exponent + 1)) != 0) ++exponent;
    bits = ((exponent + 15) << 10) | ((magnitude << (10 - exponent)) & 0x3ff);
  }
  if (v < 0) bits |= 0x8000;
  return bits | (bits << 16);
}

__device__ __forceinline__ float Exp2(float v) {
  asm("ex2.approx.ftz.f32 %0, %0;" : "+f"(v));
  return v;
}

// float16 of a float, saturated: an infinity would poison every later layer, the largest number does not.
__device__ __forceinline__ __half Saturated(float v) {
  return __float2half_rn(fminf(fmaxf(v, -65504.F), 65504.F));
}

__device__ __forceinline__ uint64_t Nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
  return t;
}

// Programmatic dependent launch (CUDA guide, "Programmatic Dependent Launch"): a kernel lets the next one start while it
// runs, and waits for the one before it only when it needs its results. Every kernel here calls both, so that waiting for
// the last kernel means waiting for all before it.
__device__ __forceinline__ void LetNextStart() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
__device__ __forceinline__ void WaitForPrevious() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Memory that no kernel writes while models run, read once: it does not stay in L1. The compiler may move these loads
// anywhere, before WaitForPrevious() too.
__device__ __forceinline__ uint4 LoadStream(const void* p) {
  uint4 v;
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
      : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
      : "l"(p));
  return v;
}

__device__ __forceinline__ void CopyAsync16(uint32_t shared, const void* global) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global));
}
__device__ __forceinline__ void CopyAsync16(void* shared, const void* global) {
  CopyAsync16(SharedAddress(shared), global);
}
// The first `bytes`, and zeros behind them.
__device__ __forceinline__ void CopyAsyncUpTo16(void* shared, const void* global, uint32_t bytes) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes));
}
__device__ __forceinline__ void CommitCopies() { asm volatile("cp.async.commit_group;"); }
template <int kPending>
__device__ __forceinline__ void WaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace wring::cuda
