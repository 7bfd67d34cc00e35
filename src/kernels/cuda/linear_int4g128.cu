#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearInt4G128() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kInt4G128>::kAll;
  return kernels;
}
}  // namespace wring::cuda
