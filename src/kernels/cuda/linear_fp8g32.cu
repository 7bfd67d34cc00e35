#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearFp8G32() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kFp8G32>::kAll;
  return kernels;
}
}  // namespace wring::cuda
