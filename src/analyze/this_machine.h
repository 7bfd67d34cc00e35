// This machine as a row of the hardware table: its bandwidth and arithmetic measured, which takes some seconds.
#pragma once

#include "analyze/hardware.h"
#include "base/progress.h"
#include "bench/roofs.h"

namespace wring::analyze {

// With so many threads, 0: every processor of the process. kLimit where there is no memory to measure with.
Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress);

// The bandwidth at this moment, to stand beside times taken now: on a machine that others share it moves.
class ReadMeter {
 public:
  static Result<ReadMeter> Create(ThreadPool& pool, Progress* progress);
  double Now(ThreadPool& pool) const { return roofs_->Again(pool, roof_) * 1e9; }  // bytes a second

 private:
  std::unique_ptr<bench::Roofs> roofs_;
  bench::ReadRoof roof_;
};

}  // namespace wring::analyze
