// Weights that nobody trained, made on the GPU: for speed and memory, never for quality.
#pragma once

#include "model/weights.h"
#include "tensor/cuda/cuda_device.h"

namespace wring {

class RandomWeights {
 public:
  // Every matrix in `format`; norms are 1. kUnsupported where the format has no GPU kernel.
  static Result<std::unique_ptr<Weights>> Make(const ModelSpec& spec, FormatId format,
                                               CudaDevice& device);
};

}  // namespace wring
