// This machine as a row of the hardware table: its bandwidth and arithmetic measured, which takes some seconds.
#pragma once

#include "analyze/hardware.h"
#include "base/progress.h"
#include "bench/roofs.h"

namespace wring::analyze {

// With so many threads, 0: every processor of the process. kLimit where there is no memory to measure with.
Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress);

// How fast the machine is at this moment, to stand beside times taken now: one that others share changes.
struct Speed {
  double bandwidth = 0;   // bytes a second
  double arithmetic = 0;  // int8 operations a second
};
class SpeedMeter {
 public:
  static Result<SpeedMeter> Create(ThreadPool& pool, Progress* progress);
  Speed Now(ThreadPool& pool) const;

 private:
  std::unique_ptr<bench::Roofs> roofs_;
  bench::ReadRoof roof_;
};

// The machine as fast as it was on average between two measurements: what it does beside reading memory takes longer by as
// much as its arithmetic is slower.
Hardware Between(const Hardware& hardware, const Speed& before, const Speed& after);

}  // namespace wring::analyze
