#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ6_K() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ6_K>::kAll;
  return kernels;
}
}  // namespace wring::cuda
