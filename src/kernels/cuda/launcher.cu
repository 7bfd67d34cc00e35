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

}  // namespace wring::cuda
