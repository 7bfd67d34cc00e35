// Hopper's warpgroup products: four warps multiply 64 rows, B (and A, where not in registers) read from shared memory by
// the tensor cores themselves. PTX ISA, "Asynchronous warpgroup level matrix instructions". Compiled for sm_90a alone.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/barrier.cuh"

namespace wring::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define WRING_WGMMA 1
#endif

// An operand in shared memory, K-major with the 128-byte swizzle: rows of 64 halves, 8 rows an atom of 1,024 bytes (which
// `address` is a multiple of, but for steps of 32 bytes along K); 16-byte piece c of row r stands at c ^ (r % 8).
__device__ __forceinline__ uint64_t Swizzled128(uint32_t address) {
  return ((address & 0x3ffff) >> 4) | (uint64_t{1} << 16) | (uint64_t{1024 >> 4} << 32) |
         (uint64_t{1} << 62);
}
// Its low word, to which 1 adds 16 bytes, and the whole of such a word.
__device__ __forceinline__ uint32_t Swizzled128Low(uint32_t address) {
  return ((address & 0x3ffff) >> 4) | 1U << 16;
}
__device__ __forceinline__ uint64_t Swizzled128Of(uint32_t low) {
  uint64_t both;
  asm("mov.b64 %0, {%1, %2};" : "=l"(both) : "r"(low), "n"(1024 >> 4 | 1 << 30));
  return both;
}

#ifdef WRING_WGMMA

__device__ __forceinline__ void WgmmaBegin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void WgmmaCommit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void WgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// The compiler must not move what touches these registers across.
template <int kCount>
__device__ __forceinline__ void WgmmaFence(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

#define WRING_F8(d, i)                                                                        \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define WRING_F32(d) WRING_F8(d, 0), WRING_F8(d, 8), WRING_F8(d, 16), WRING_F8(d, 24)
#define WRING_N8 "%0, %1, %2, %3, %4, %5, %6, %7"
#define WRING_N16 WRING_N8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define WRING_N32                                                                              \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WRING_N40 WRING_N32 ", %32, %33, %34, %35, %36, %37, %38, %39"
#define WRING_N48 WRING_N40 ", %40, %41, %42, %43, %44, %45, %46, %47"
#define WRING_N56 WRING_N48 ", %48, %49, %50, %51, %52, %53, %54, %55"
#define WRING_N64 WRING_N56 ", %56, %57, %58, %59, %60, %61, %62, %63"
#define WRING_N80 \
  WRING_N64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"

// d[64 x kN] (+)= A[64 x 16] B[16 x kN]: lane 4 g + t of warp w holds rows 16 w + g (d[4 j], d[4 j + 1]) and 16 w + g + 8
// (d[4 j + 2], d[4 j + 3]), columns 8 j + 2 t and 8 j + 2 t + 1. A in registers is as for mma.m16n8k16.
template <int kN>
struct Wgmma;

// kN, its registers / 2 as text, operands, and the numbers of the operands after them.
#define WRING_WGMMA_OF(N, NAMES, OPERANDS, P0, P1, P2, P3, P4, P5)                                 \
  template <>                                                                                      \
  struct Wgmma<N> {                                                                                \
    __device__ static __forceinline__ void Shared(float (&d)[N / 2], uint64_t a, uint64_t b,       \
                                                  int add) {                                       \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P2                                          \
                   ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32.f16.f16 {" NAMES "}, " P0 \
                   ", " P1 ", p, 1, 1, 0, 0;\n}\n"                                                 \
                   : OPERANDS                                                                      \
                   : "l"(a), "l"(b), "r"(add));                                                    \
    }                                                                                              \
    __device__ static __forceinline__ void Registers(float (&d)[N / 2], const uint32_t (&a)[4],    \
                                                     uint64_t b, int add) {                        \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P5                                          \
                   ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32.f16.f16 {" NAMES          \
                   "}, {" P0 ", " P1 ", " P2 ", " P3 "}, " P4 ", p, 1, 1, 0;\n}\n"                 \
                   : OPERANDS                                                                      \
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                \
    }                                                                                              \
  };
#define WRING_OPERANDS16 WRING_F8(d, 0)
#define WRING_OPERANDS32 WRING_OPERANDS16, WRING_F8(d, 8)
#define WRING_OPERANDS64 WRING_F32(d)
#define WRING_OPERANDS80 WRING_OPERANDS64, WRING_F8(d, 32)
#define WRING_OPERANDS96 WRING_OPERANDS80, WRING_F8(d, 40)
#define WRING_OPERANDS112 WRING_OPERANDS96, WRING_F8(d, 48)
#define WRING_OPERANDS128 WRING_OPERANDS112, WRING_F8(d, 56)
#define WRING_OPERANDS160 WRING_OPERANDS128, WRING_F8(d, 64), WRING_F8(d, 72)
#define WRING_COMMAS(...) __VA_ARGS__
WRING_WGMMA_OF(16, WRING_N8, WRING_COMMAS(WRING_OPERANDS16), "%8", "%9", "%10", "%11", "%12", "%13")
WRING_WGMMA_OF(32, WRING_N16, WRING_COMMAS(WRING_OPERANDS32), "%16", "%17", "%18", "%19", "%20",
               "%21")
WRING_WGMMA_OF(64, WRING_N32, WRING_COMMAS(WRING_OPERANDS64), "%32", "%33", "%34", "%35", "%36",
               "%37")
WRING_WGMMA_OF(80, WRING_N40, WRING_COMMAS(WRING_OPERANDS80), "%40", "%41", "%42", "%43", "%44",
               "%45")
WRING_WGMMA_OF(96, WRING_N48, WRING_COMMAS(WRING_OPERANDS96), "%48", "%49", "%50", "%51", "%52",
               "%53")
WRING_WGMMA_OF(112, WRING_N56, WRING_COMMAS(WRING_OPERANDS112), "%56", "%57", "%58", "%59", "%60",
               "%61")
WRING_WGMMA_OF(128, WRING_N64, WRING_COMMAS(WRING_OPERANDS128), "%64", "%65", "%66", "%67", "%68",
               "%69")
WRING_WGMMA_OF(160, WRING_N80, WRING_COMMAS(WRING_OPERANDS160), "%80", "%81", "%82", "%83", "%84",
               "%85")

// The registers of this warpgroup's threads from here on.
template <int kCount>
__device__ __forceinline__ void FewerRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ __forceinline__ void MoreRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

// What ordinary stores and copies wrote to shared memory, for the tensor cores to read.
__device__ __forceinline__ void PublishShared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

#endif  // WRING_WGMMA

}  // namespace wring::cuda
