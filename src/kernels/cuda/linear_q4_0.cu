#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ4_0() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ4_0>::kAll;
  return kernels;
}
}  // namespace wring::cuda
