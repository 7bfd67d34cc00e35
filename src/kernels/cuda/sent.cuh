// Numbers that ranks write into each other's memory, or blocks of a launch into what they share. A word that has not come is
// kUnsent, so that no fence is needed and nothing else tells that they are there; who has read them puts kUnsent back.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

// All bits set: a NaN, also of two float16, that no arithmetic of a GPU gives (its NaNs have no sign).
constexpr uint32_t kUnsent = 0xffffffffU;

__device__ __forceinline__ void StoreSent(uint32_t* to, uint32_t v) {
  asm volatile("st.volatile.global.u32 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}
__device__ __forceinline__ void StoreSent(uint2* to, uint2 v) {
  asm volatile("st.volatile.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(v.x), "r"(v.y)
               : "memory");
}
__device__ __forceinline__ void StoreSent(uint4* to, uint4 v) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}
__device__ __forceinline__ uint32_t LoadSent(const uint32_t* from) {
  uint32_t v;
  asm volatile("ld.volatile.global.u32 %0, [%1];" : "=r"(v) : "l"(from) : "memory");
  return v;
}
__device__ __forceinline__ uint4 LoadSent(const uint4* from) {
  uint4 v;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
__device__ __forceinline__ bool IsSent(const uint2& v) { return v.x != kUnsent && v.y != kUnsent; }
__device__ __forceinline__ bool IsSent(const uint4& v) {
  return v.x != kUnsent && v.y != kUnsent && v.z != kUnsent && v.w != kUnsent;
}
__device__ __forceinline__ void Unsend(uint4* at) { *at = {kUnsent, kUnsent, kUnsent, kUnsent}; }

__device__ __forceinline__ void Unsend(uint2* at) { *at = {kUnsent, kUnsent}; }

// The same between blocks of one GPU.
__device__ __forceinline__ void StoreNear(uint4* to, uint4 v) {
  asm volatile("st.relaxed.gpu.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(v.x), "r"(v.y),
               "r"(v.z), "r"(v.w)
               : "memory");
}
__device__ __forceinline__ void StoreNear(uint2* to, uint2 v) {
  asm volatile("st.relaxed.gpu.global.v2.u32 [%0], {%1, %2};" ::"l"(to), "r"(v.x), "r"(v.y)
               : "memory");
}
__device__ __forceinline__ uint4 LoadNear(const uint4* from) {
  uint4 v;
  asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
__device__ __forceinline__ uint2 LoadNear(const uint2* from) {
  uint2 v;
  asm volatile("ld.relaxed.gpu.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(v.x), "=r"(v.y)
               : "l"(from)
               : "memory");
  return v;
}

// By the threads of a product's first block, after WaitForPrevious().
__device__ __forceinline__ void SayBegun(const SendArgs& send, uint32_t rows) {
  if (send.ranks > 0 && threadIdx.x < rows) StoreSent(send.begun + threadIdx.x, 0);
}

}  // namespace wring::cuda
