#include "analyze/this_machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "bench/machine.h"
#include "plot/svg.h"
#include "tensor/buffer.h"

namespace wring::analyze {

Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress) {
  ThreadPool pool(threads == 0 ? DefaultThreads() : threads);
  WRING_ASSIGN(const auto roofs, bench::Roofs::Create(bench::kMemoryBytes, progress));
  const bench::ReadRoof read = roofs->Read(pool);
  const bench::ArithmeticRoof arithmetic = bench::Roofs::Arithmetic(pool);
  const bench::Machine machine = bench::ThisMachine();
  Hardware h;
  h.name = "this";
  h.title =
      fmt::format("this machine ({}, {}, {} threads)", machine.cpu, machine.isa, pool.threads());
  h.source = "read bandwidth and arithmetic measured now";
  h.memory = static_cast<double>(HostDevice().memory().total);
  h.bandwidth = read.gb_per_s * 1e9;
  h.threads = static_cast<uint32_t>(pool.threads());
  h.peaks = {{"f32", arithmetic.fp32_gflops * 1e9}, {"int8", arithmetic.int8_gops * 1e9}};
  return h;
}

Result<Levels> MeasureLevels(uint32_t threads, Progress* progress) {
  WRING_ASSIGN(const auto roofs, bench::Roofs::Create(bench::kMemoryBytes, progress));
  Levels levels;
  std::vector<uint32_t> counts = {1};
  if (threads > 1) counts.push_back(threads);
  for (const uint32_t count : counts) {
    ThreadPool pool(count);
    for (const uint64_t bytes : {uint64_t{256} << 10, uint64_t{8} << 20, bench::kMemoryBytes}) {
      const uint64_t all = bytes < (1 << 20) ? bytes * count : bytes;
      levels.reads.push_back({all, count, roofs->Read(pool, all, 1).gb_per_s * 1e9});
    }
  }
  ThreadPool pool(threads);
  std::vector<double> times;
  for (int i = 0; i < 1001; ++i) {
    const auto start = std::chrono::steady_clock::now();
    std::atomic<uint32_t> here = 0;  // nobody goes before all have come
    pool.ParallelFor(threads, 1, [&](size_t, size_t, size_t) {
      here.fetch_add(1, std::memory_order_relaxed);
      while (here.load(std::memory_order_relaxed) < threads) std::this_thread::yield();
    });
    times.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + 500, times.end());
  levels.meeting = times[500];
  return levels;
}

std::string LevelsText(const Levels& levels) {
  std::string text;
  for (const Level& l : levels.reads) {
    text += fmt::format("  {:>9} read by {} thread{}: {:.1f} GB/s\n",
                        plot::BytesText(static_cast<double>(l.bytes)), l.threads,
                        l.threads == 1 ? "" : "s", l.bandwidth / 1e9);
  }
  return text + fmt::format("  all threads meet in {}\n", plot::SecondsText(levels.meeting));
}

Result<SpeedMeter> SpeedMeter::Create(ThreadPool& pool, Progress* progress) {
  SpeedMeter meter;
  WRING_ASSIGN(meter.roofs_, bench::Roofs::Create(bench::kMemoryBytes, progress));
  meter.roof_ = meter.roofs_->Read(pool);
  return meter;
}

Speed SpeedMeter::Now(ThreadPool& pool) const {
  return {roofs_->Again(pool, roof_) * 1e9, bench::Roofs::Int8Now(pool) * 1e9};
}

Hardware Between(const Hardware& hardware, const Speed& before, const Speed& after) {
  Hardware now = hardware;
  now.bandwidth = (before.bandwidth + after.bandwidth) / 2;
  const double usual = hardware.Peak({"int8"});
  if (usual <= 0) return now;
  const double pace = (before.arithmetic + after.arithmetic) / 2 / usual;
  for (auto& [name, peak] : now.peaks) peak *= pace;
  for (Constants& c : now.constants) {
    for (double* seconds : {&c.start, &c.beside, &c.unpack, &c.expand}) *seconds /= pace;
  }
  return now;
}

}  // namespace wring::analyze
