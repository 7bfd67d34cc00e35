#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ4_K() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ4_K>::kAll;
  return kernels;
}
}  // namespace wring::cuda
