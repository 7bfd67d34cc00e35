// Launching kernels: on one stream, dependently (mma.cuh says what that means), with every call checked. Included by
// CUDA sources only.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

// Lets the kernel have so much dynamic shared memory on the current GPU. The bound is the kernel's, not the launch's, so it
// only grows: other threads launch the same kernel.
void AllowShared(Launcher& l, const void* kernel, size_t shared);

// `cluster`: blocks that run together and reach each other's shared memory.
template <typename... Parameters, typename... Arguments>
void LaunchClusters(Launcher& l, uint32_t cluster, void (*kernel)(Parameters...), dim3 grid,
                    dim3 block, size_t shared, Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared > 24 << 10) {  // with what a kernel has of its own this may be more than 48 KiB
    AllowShared(l, reinterpret_cast<const void*>(kernel), shared);
  }
  cudaLaunchAttribute attributes[2] = {};
  uint32_t count = 0;
  if (l.dependent) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count++].val.clusterDim = {cluster, 1, 1};
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = l.stream;
  config.attrs = attributes;
  config.numAttrs = count;
  l.Check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}
template <typename... Parameters, typename... Arguments>
void Launch(Launcher& l, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            Arguments&&... arguments) {
  LaunchClusters(l, 1, kernel, grid, block, shared, std::forward<Arguments>(arguments)...);
}

}  // namespace wring::cuda
