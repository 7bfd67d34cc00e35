#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ3_K() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ3_K>::kAll;
  return kernels;
}
}  // namespace wring::cuda
