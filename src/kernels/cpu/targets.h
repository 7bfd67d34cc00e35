// The instruction sets that kernels are compiled for, in one place: AVX2 (with FMA and F16C), AVX-512
// with VNNI, NEON. Included before foreach_target by every kernel source. Highway always compiles the
// build's baseline too; kernels leave that pass empty (WRING_SIMD_TARGET), since dispatch goes through
// our own table (isa.h) and needs none of Highway's library.
#pragma once

#define HWY_WANT_AVX3_DL 1
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#define WRING_SIMD_TARGET \
  (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON)

// Loops over registers must vanish: their bodies index arrays of vectors.
#if defined(__clang__)
#define WRING_UNROLL _Pragma("clang loop unroll(full)")
#else
#define WRING_UNROLL _Pragma("GCC unroll 16")
#endif
