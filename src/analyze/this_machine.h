// This machine as a row of the hardware table: its bandwidth and arithmetic measured, which takes some seconds.
#pragma once

#include "analyze/hardware.h"
#include "base/progress.h"
#include "bench/roofs.h"

namespace wring::analyze {

// With so many threads, 0: every processor of the process. kLimit where there is no memory to measure with.
Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress);

// Bytes a second that so many threads read together from a range of so many bytes: that of a thread's own cache, of a shared
// one, of memory.
struct Level {
  uint64_t bytes = 0;
  uint32_t threads = 0;
  double bandwidth = 0;
};
struct Levels {
  std::vector<Level> reads;
  double meeting = 0;  // seconds that giving work to all threads and meeting again takes
};
// With one thread and with all of `threads`.
Result<Levels> MeasureLevels(uint32_t threads, Progress* progress);
std::string LevelsText(const Levels& levels);

// How fast the machine is at this moment, to stand beside times taken now: one that others share changes.
struct Speed {
  double bandwidth = 0;   // bytes a second
  double arithmetic = 0;  // int8 operations a second
  double meeting = 0;     // seconds until all threads met; sooner on cores of one cache
  double piece = 0;       // seconds for some kilobytes of memory that lie alone
};
class SpeedMeter {
 public:
  static Result<SpeedMeter> Create(ThreadPool& pool, Progress* progress);
  Speed Now(ThreadPool& pool) const;

 private:
  std::unique_ptr<bench::Roofs> roofs_;
  bench::ReadRoof roof_;
};

// By what share the rate that changed most did: what was timed between measurements that differ is as none of them says.
double Change(const std::vector<Speed>& speeds);

// The machine as fast as it was on average of some measurements: what it does beside reading memory takes longer by as much as
// its arithmetic is slower, and what threads tell each other by as much as they meet later.
Hardware Between(const Hardware& hardware, const std::vector<Speed>& speeds);

}  // namespace wring::analyze
