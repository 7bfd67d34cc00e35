#include "kernels/cuda/linear.cuh"

namespace wring::cuda {
const LinearKernels& LinearFp8G128() {
  static constexpr LinearKernels kernels = LinearLaunches<FormatId::kFp8G128>::kAll;
  return kernels;
}
}  // namespace wring::cuda
