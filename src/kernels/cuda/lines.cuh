// Lines that ranks write into each other's memory: 16 bytes, of which each half says which turn it belongs to, so that no fence
// is needed and nothing else tells that they are there.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/exchange.h"

namespace wring::cuda {

__device__ __forceinline__ uint64_t Nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
  return t;
}
// Waits until `ready` or, when another rank never answers, for kExchangeSeconds.
template <typename Ready>
__device__ __forceinline__ void Await(uint32_t* failed, const Ready& ready) {
  const uint64_t start = Nanoseconds();
  for (uint32_t looks = 1; !ready(); ++looks) {
    if (looks % 1024 != 0) continue;
    if (*reinterpret_cast<volatile uint32_t*>(failed) != 0) return;  // one wait a step is enough
    if (Nanoseconds() - start > uint64_t{kExchangeSeconds} * 1000000000) {
      *reinterpret_cast<volatile uint32_t*>(failed) = 1;
      return;
    }
  }
}

// 16 bytes are written and read whole.
__device__ __forceinline__ void StoreLine(uint4* to, uint32_t a, uint32_t b, uint32_t turn) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(a), "r"(turn),
               "r"(b), "r"(turn)
               : "memory");
}
__device__ __forceinline__ uint4 LoadLine(const uint4* from) {
  uint4 v;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
__device__ __forceinline__ bool IsOf(const uint4& line, uint32_t turn) {
  return line.y == turn && line.w == turn;
}

// Four numbers of the ranks' sum, `mine` of them this rank's, `quad` of `quads`; from: this turn's lines.
__device__ __forceinline__ float4 SumQuad(const uint4* from, uint64_t lines, uint32_t rank,
                                          uint32_t ranks, uint64_t quad, uint64_t quads,
                                          uint32_t turn, uint32_t* failed, const float4& mine) {
  float4 sum = {0, 0, 0, 0};
  for (uint32_t r = 0; r < ranks; ++r) {
    float4 v = mine;
    if (r != rank) {
      const uint4* line = from + r * lines + quad;
      uint4 a;
      uint4 b;
      Await(failed, [&] {
        a = LoadLine(line);
        b = LoadLine(line + quads);
        return IsOf(a, turn) && IsOf(b, turn);
      });
      v = {__uint_as_float(a.x), __uint_as_float(a.z), __uint_as_float(b.x), __uint_as_float(b.z)};
    }
    sum = {sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w};
  }
  return sum;
}
__device__ __forceinline__ float4 SumUnsummed(const UnsummedArgs& u, uint32_t turn, uint32_t quad,
                                              const float4& mine) {
  return SumQuad(u.lines + turn % 2 * u.odd, u.odd / u.ranks, u.rank, u.ranks, quad, u.quads, turn,
                 u.failed, mine);
}
// Of one number, `at` of them, the part of the others on top of this rank's, which is the first.
__device__ __forceinline__ float AddUnsummed(const UnsummedArgs& u, uint32_t turn, uint32_t at,
                                             float mine) {
  const uint64_t lines = u.odd / u.ranks;
  const uint4* from = u.lines + turn % 2 * u.odd + at / 4 + (at % 4 / 2) * u.quads;
  float sum = mine;
  for (uint32_t r = 1; r < u.ranks; ++r) {
    uint4 line;
    Await(u.failed, [&] {
      line = LoadLine(from + r * lines);
      return IsOf(line, turn);
    });
    sum += __uint_as_float(at % 2 == 0 ? line.x : line.z);
  }
  return sum;
}

}  // namespace wring::cuda
