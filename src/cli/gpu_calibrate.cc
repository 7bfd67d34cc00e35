#include "cli/gpu_calibrate.h"

#ifdef WRING_CUDA
#include "analyze/verify.h"
#include "bench/cuda/gpu_bench.h"
#include "kernels/cuda/kernels.h"
#include "model/cuda/random_weights.h"
#endif

namespace wring::cli {

#ifdef WRING_CUDA
namespace {

// Shapes of three and seven billion parameters with half of their layers, and a small one: ops are those of the whole.
constexpr const char* kShapes[] = {
    "layers=16,hidden=4096,heads=32,kv=32,ffn=11008,vocab=32000:F16",
    "layers=16,hidden=4096,heads=32,kv=32,ffn=11008,vocab=32000:Q4_K",
    "layers=16,hidden=4096,heads=32,kv=32,ffn=11008,vocab=32000:Q8_0",
    "layers=26,hidden=3200,heads=32,kv=32,ffn=8640,vocab=32000:Q4_0",
    "layers=30,hidden=576,heads=9,kv=3,ffn=1536,vocab=49152:F16",
};

std::vector<analyze::Workload> Steps() {
  std::vector<analyze::Workload> steps = {analyze::Chunk(512, 4096, 1, 300)};
  for (const uint32_t rows : {96U, 256U, 512U, 1024U, 2048U, 4096U})
    steps.push_back(analyze::Prefill(1, rows));
  for (const uint32_t batch : {1U, 2U, 4U, 8U, 16U, 32U, 64U})
    steps.push_back(analyze::Decode(batch, 512));
  for (const uint32_t batch : {1U, 16U}) steps.push_back(analyze::Decode(batch, 8192));
  return steps;
}

}  // namespace

Result<analyze::Hardware> CalibrateGpu(Device& device, Progress* progress) {
  auto& gpu = static_cast<CudaDevice&>(device);
  analyze::Hardware h;
  h.name = h.title = std::string(gpu.name());
  h.source = "measured here";
  h.memory = static_cast<double>(gpu.memory().total);
  WRING_ASSIGN(h.bandwidth, bench::CopyBandwidth(gpu));
  ThreadPool threads(1);
  std::vector<analyze::TimedOp> timed;
  const std::vector<analyze::Workload> steps = Steps();
  uint64_t done = 0;
  for (const char* text : kShapes) {
    WRING_ASSIGN(const auto shape, bench::ParseShape(text));
    auto weights = RandomWeights::Make(shape.spec, shape.format->id(), gpu);
    if (!weights.ok() && weights.status().code() == Code::kLimit) continue;
    WRING_TRY(weights.status());
    const analyze::Matrices matrices(shape.spec, *shape.format, true);
    // A GPU multiplies zeros with less power, so faster: the cache is filled.
    const auto make = [&](const KvLayouts& layouts, PagePool& pool,
                          const ExecutorOptions& options) -> Result<std::unique_ptr<Executor>> {
      cuda::Launcher launcher;
      launcher.stream = gpu.stream();
      cuda::FillRandom(launcher, FormatId::kF16, pool.at(0), pool.total_bytes(), 1);
      WRING_TRY(launcher.status());
      return Executor::Create(shape.spec, **weights, layouts, pool, threads, options);
    };
    const analyze::Timing timing = {shape.spec, matrices, gpu, make};
    for (const analyze::Workload& work : steps) {
      const auto ops = analyze::TimeOps(timing, work, analyze::CostOptions::On(true), 5);
      if (progress != nullptr)
        progress->Report("timing ops", ++done, std::size(kShapes) * steps.size());
      if (!ops.ok() && ops.status().code() == Code::kLimit) continue;
      WRING_TRY(ops.status());
      timed.insert(timed.end(), ops->begin(), ops->end());
    }
  }
  if (timed.empty())
    return Error(Code::kLimit, "{} has too little free memory to be calibrated", h.title);
  return analyze::FitGpu(std::move(h), timed);
}
#else
Result<analyze::Hardware> CalibrateGpu(Device& /*device*/, Progress* /*progress*/) {
  return Error(Code::kUnsupported, "this build has no CUDA: build it with `make cuda`");
}
#endif

}  // namespace wring::cli
