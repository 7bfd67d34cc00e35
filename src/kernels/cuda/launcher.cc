#include "base/result.h"
#include "kernels/cuda/kernels.h"
#include "tensor/cuda/cuda_device.h"

namespace wring::cuda {

Status Launcher::status() const { return CudaStatus(error, "starting a kernel"); }

}  // namespace wring::cuda
