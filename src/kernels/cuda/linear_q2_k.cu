#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ2_K() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ2_K>::kAll;
  return kernels;
}
}  // namespace wring::cuda
