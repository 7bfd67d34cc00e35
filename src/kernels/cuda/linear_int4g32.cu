#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearInt4G32() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kInt4G32>::kAll;
  return kernels;
}
}  // namespace wring::cuda
