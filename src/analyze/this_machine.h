// This machine as a row of the hardware table: its bandwidth and arithmetic measured, which takes some seconds.
#pragma once

#include "analyze/hardware.h"
#include "base/progress.h"

namespace wring::analyze {

// With so many threads, 0: every processor of the process. kLimit where there is no memory to measure with.
Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress);

}  // namespace wring::analyze
