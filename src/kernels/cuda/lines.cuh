// Lines that ranks write into each other's memory: 16 bytes, of which each half says which turn it belongs to, so that no fence
// is needed and nothing else tells that they are there.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace wring::cuda {

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

}  // namespace wring::cuda
