// Barriers in shared memory (PTX ISA, "mbarrier") and barriers of some of a block's threads. For compute capability 9.0 and
// later.
#pragma once

#include <cstdint>

namespace wring::cuda {

// `at`: a shared address of 8 bytes.
__device__ __forceinline__ void BarrierInit(uint32_t at, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(arrivals) : "memory");
}
__device__ __forceinline__ void BarrierArrive(uint32_t at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}
__device__ __forceinline__ void BarrierWait(uint32_t at, uint32_t parity) {
  uint32_t passed;
  do {
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, "
        "0, p;\n}\n"
        : "=r"(passed)
        : "r"(at), "r"(parity)
        : "memory");
  } while (passed == 0);
}
__device__ __forceinline__ void SyncThreads(uint32_t barrier, uint32_t threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

}  // namespace wring::cuda
