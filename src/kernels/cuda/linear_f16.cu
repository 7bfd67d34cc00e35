#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearF16() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kF16>::kAll;
  return kernels;
}
}  // namespace wring::cuda
