#include <map>
#include <mutex>

#include "kernels/cuda/launch.h"

namespace wring::cuda {
namespace {

__global__ void ProbeKernel() {}

}  // namespace

// Whether kernels have Hopper's warpgroup products on the current GPU: what stands in the binary for another one, or is
// compiled from intermediate code at start, lacks them.
bool HasWgmma() {
  cudaFuncAttributes attributes = {};
  if (cudaFuncGetAttributes(&attributes, ProbeKernel) != cudaSuccess) return false;
  return attributes.binaryVersion == 90 && attributes.ptxVersion == 90;
}

void AllowShared(Launcher& l, const void* kernel, size_t shared) {
  static std::mutex mutex;
  static std::map<std::pair<int, const void*>, size_t> allowed;
  int device = 0;
  l.Check(cudaGetDevice(&device));
  const std::lock_guard lock(mutex);
  size_t& most = allowed[{device, kernel}];
  if (shared <= most) return;
  most = shared;
  l.Check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared)));
  // Else a multiprocessor may be set up for no more than this kernel, and small blocks of the next one find no room beside it.
  l.Check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                               cudaSharedmemCarveoutMaxShared));
}

}  // namespace wring::cuda
