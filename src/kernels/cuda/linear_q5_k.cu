#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearQ5_K() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kQ5_K>::kAll;
  return kernels;
}
}  // namespace wring::cuda
