// Barriers in shared memory (PTX ISA, "mbarrier"), barriers of some of a block's threads, and tensor copies that arrive at
// the former. For compute capability 9.0 and later.
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
// An arrival, and `bytes` that copies will bring before the barrier is passed.
__device__ __forceinline__ void BarrierArriveExpecting(uint32_t at, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes)
               : "memory");
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
// Counts as having come to SyncThreads() without waiting there.
__device__ __forceinline__ void ArriveThreads(uint32_t barrier, uint32_t threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}

// `bytes`, a multiple of 16, into shared memory, by one thread; they arrive at `barrier`.
__device__ __forceinline__ void CopyBulk(uint32_t to, const void* from, uint32_t bytes,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// One box of a tensor (tensor_map.h) into shared memory, by one thread; its bytes arrive at `barrier`.
__device__ __forceinline__ void CopyBox(uint32_t to, const void* map, uint32_t barrier, uint32_t x,
                                        uint32_t low, uint32_t row, uint32_t high) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4, %5, %6}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(x), "r"(low), "r"(row), "r"(high)
      : "memory");
}
// The same of a matrix.
__device__ __forceinline__ void CopyBox(uint32_t to, const void* map, uint32_t barrier, uint32_t x,
                                        uint32_t row) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, "
      "%4}], [%2];" ::"r"(to),
      "l"(map), "r"(barrier), "r"(x), "r"(row)
      : "memory");
}

}  // namespace wring::cuda
