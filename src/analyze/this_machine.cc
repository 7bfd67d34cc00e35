#include "analyze/this_machine.h"

#include "bench/machine.h"
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
