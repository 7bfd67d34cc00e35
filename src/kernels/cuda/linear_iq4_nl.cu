#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearIQ4_NL() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kIQ4_NL>::kAll;
  return kernels;
}
}  // namespace wring::cuda
