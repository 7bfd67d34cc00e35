#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearMXFP4() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kMXFP4>::kAll;
  return kernels;
}
}  // namespace wring::cuda
