#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearIQ4_XS() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kIQ4_XS>::kAll;
  return kernels;
}
}  // namespace wring::cuda
