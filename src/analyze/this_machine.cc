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
  h.peaks = {{"f32", arithmetic.fp32_gflops * 1e9}, {"int8", arithmetic.int8_gops * 1e9}};
  return h;
}

Result<ReadMeter> ReadMeter::Create(ThreadPool& pool, Progress* progress) {
  ReadMeter meter;
  WRING_ASSIGN(meter.roofs_, bench::Roofs::Create(bench::kMemoryBytes, progress));
  meter.roof_ = meter.roofs_->Read(pool);
  return meter;
}

}  // namespace wring::analyze
