#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ8_0() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ8_0>::kAll;
  return kernels;
}
}  // namespace wring::cuda
