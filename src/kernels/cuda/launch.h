// Launching kernels: on one stream, dependently (mma.cuh says what that means), with every call checked. Included by
// CUDA sources only.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

bool HasWgmma();  // launcher.cu

// Lets the kernel have so much dynamic shared memory on the current GPU. The bound is the kernel's, not the launch's, so it
// only grows: other threads launch the same kernel.
void AllowShared(Launcher& l, const void* kernel, size_t shared);

template <typename... Parameters, typename... Arguments>
void Launch(Launcher& l, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  if (shared > 24 << 10) {  // with what a kernel has of its own this may be more than 48 KiB
    AllowShared(l, reinterpret_cast<const void*>(kernel), shared);
  }
  cudaLaunchAttribute dependent = {};
  dependent.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  dependent.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = l.stream;
  config.attrs = &dependent;
  config.numAttrs = l.dependent ? 1 : 0;
  l.Check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...));
}

}  // namespace wring::cuda
