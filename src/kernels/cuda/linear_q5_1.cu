#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ5_1() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ5_1>::kAll;
  return kernels;
}
}  // namespace wring::cuda
