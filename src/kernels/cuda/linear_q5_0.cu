#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ5_0() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ5_0>::kAll;
  return kernels;
}
}  // namespace wring::cuda
