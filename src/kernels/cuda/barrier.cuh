// Barriers in shared memory and copies that arrive at them (PTX ISA, "mbarrier" and "cp.async.bulk"), and barriers of some
// of a block's threads. For compute capability 9.0 and later.
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
// Arrives, and holds the phase until `bytes` were copied.
__device__ __forceinline__ void BarrierExpect(uint32_t at, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ bool BarrierPassed(uint32_t at, uint32_t parity) {
  uint32_t passed;
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, "
      "p;\n}\n"
      : "=r"(passed)
      : "r"(at), "r"(parity)
      : "memory");
  return passed != 0;
}
__device__ __forceinline__ void BarrierWait(uint32_t at, uint32_t parity) {
  while (!BarrierPassed(at, parity)) {
  }
}
// 16-byte aligned, a multiple of 16 bytes.
__device__ __forceinline__ void CopyBulk(uint32_t to, const void* from, uint32_t bytes,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}
// Arrives when the copies (cp.async) that this thread has asked for are done; until then holds the phase.
__device__ __forceinline__ void BarrierHoldForCopies(uint32_t at) {
  asm volatile("cp.async.mbarrier.arrive.shared::cta.b64 [%0];" ::"r"(at) : "memory");
}
__device__ __forceinline__ void SyncThreads(uint32_t barrier, uint32_t threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

}  // namespace wring::cuda
