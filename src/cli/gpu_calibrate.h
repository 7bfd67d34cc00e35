#pragma once

#include "analyze/hardware.h"
#include "base/progress.h"
#include "tensor/buffer.h"

namespace wring::cli {

// A GPU with constants fitted on the engine's own ops over random weights made there: some formats, 1 to 2,048 rows, attention
// at two depths, as far as its memory goes.
Result<analyze::Hardware> CalibrateGpu(Device& device, Progress* progress);

}  // namespace wring::cli
