#pragma once

#include <vector>

#include "kernels/registry.h"

namespace wring::cuda {

// What runs on device "cuda".
void AddKernels(std::vector<KernelEntry>* entries);

}  // namespace wring::cuda
