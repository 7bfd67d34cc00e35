// Blocks that run together and read each other's shared memory (PTX ISA, "Cluster of CTAs"). For compute capability 9.0 and
// later; elsewhere nothing is launched in clusters.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace wring::cuda {

// All threads of all blocks of the cluster meet, but for those that have ended.
__device__ __forceinline__ void ClusterSync() {
#if __CUDA_ARCH__ >= 900
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
#endif
}
// The same where nothing that was written is for the others, so that what is still on its way is not waited for.
__device__ __forceinline__ void ClusterPart() {
#if __CUDA_ARCH__ >= 900
  __syncwarp();
  asm volatile("barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::
                   : "memory");
#endif
}
// Where `address` is in the memory of block `rank` of the cluster.
__device__ __forceinline__ uint32_t AddressOf(uint32_t rank, uint32_t address) {
  uint32_t there = address;
#if __CUDA_ARCH__ >= 900
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
#endif
  return there;
}
__device__ __forceinline__ float4 LoadThere4(uint32_t there) {
  float4 v = {0, 0, 0, 0};
#if __CUDA_ARCH__ >= 900
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(there)
               : "memory");
#endif
  return v;
}

}  // namespace wring::cuda
