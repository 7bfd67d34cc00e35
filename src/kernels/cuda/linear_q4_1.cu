#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ4_1() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ4_1>::kAll;
  return kernels;
}
}  // namespace wring::cuda
