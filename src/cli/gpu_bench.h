#pragma once

#include "cli/arguments.h"
#include "tensor/buffer.h"

namespace wring::cli {

// wring bench on a GPU.
Status BenchGpu(const Arguments& arguments, Device& device);

}  // namespace wring::cli
