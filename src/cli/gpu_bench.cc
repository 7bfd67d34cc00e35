#include "cli/gpu_bench.h"

#ifdef WRING_CUDA
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "bench/cuda/gpu_bench.h"
#include "bench/machine.h"
#include "cli/output.h"
#include "cli/session_options.h"
#include "model/cuda/random_weights.h"
#include "model/shard.h"
#endif

namespace wring::cli {

#ifdef WRING_CUDA
namespace {

std::string TableText(const std::string& head, const bench::GpuReport& report) {
  std::string text = head + "\n";
  text += fmt::format("{:<22} {:>12} {:>10} {:>10} {:>9} {:>7} {:>9} {:>9}\n", "test", "tokens/s",
                      "ms", "MB/step", "GB/s", "roof", "TFLOP/s", "exchange");
  for (const auto& r : report.rows) {
    text +=
        fmt::format("{:<22} {:>12.1f} {:>10.3f} {:>10.1f} {:>9.1f} {:>6.1f}% {:>9.1f} {:>8.1f}%\n",
                    r.test, r.tokens_per_s, r.milliseconds, r.bytes / 1e6, r.gb_per_s, 100 * r.roof,
                    r.tflops, 100 * r.communication);
  }
  if (report.ops.empty()) return text;
  text += fmt::format("\n{:<22} {:<26} {:>6} {:>10} {:>10} {:>7}\n", "test", "op", "count",
                      "us each", "MB each", "roof");
  for (const auto& r : report.ops) {
    text += fmt::format("{:<22} {:<26} {:>6} {:>10.2f} {:>10.2f} {:>6.1f}%\n", r.test, r.op,
                        r.count, r.microseconds, r.bytes / 1e6, 100 * r.roof);
  }
  return text;
}

std::string JsonText(const std::string& model, const std::string& device, double bandwidth,
                     const bench::GpuReport& report) {
  nlohmann::json all = {{"model", model},
                        {"device", device},
                        {"driver", bench::NvidiaDriver()},
                        {"commit", bench::Commit()},
                        {"copy_gb_per_s", bandwidth / 1e9},
                        {"rows", nlohmann::json::array()}};
  for (const auto& r : report.rows) {
    all["rows"].push_back({{"test", r.test},
                           {"tokens_per_s", r.tokens_per_s},
                           {"milliseconds", r.milliseconds},
                           {"bytes", r.bytes},
                           {"gb_per_s", r.gb_per_s},
                           {"share_of_roof", r.roof},
                           {"tflop_per_s", r.tflops},
                           {"share_of_exchange", r.communication}});
  }
  for (const auto& r : report.ops) {
    all["ops"].push_back({{"test", r.test},
                          {"op", r.op},
                          {"count", r.count},
                          {"microseconds", r.microseconds},
                          {"bytes", r.bytes},
                          {"share_of_roof", r.roof}});
  }
  return all.dump(2) + "\n";
}

// This rank's weights, and the team that makes the others', if there are any.
Result<std::shared_ptr<Team>> MakeRandom(ModelSpec* spec, FormatId format, CudaDevice& gpu,
                                         const Arguments& arguments,
                                         std::unique_ptr<Weights>* weights) {
  const uint32_t ranks = RanksOf(arguments);
  std::shared_ptr<Team> team;
  if (ranks > 1) {
    WRING_ASSIGN(team, Team::Of(ranks));
    WRING_TRY(team->MakeRandom(*spec, format, gpu, !arguments.Has("--invariant")));
  }
  const auto make = [&]() -> Status {
    WRING_ASSIGN(spec->sharding, Shard(*spec, 0, ranks, !arguments.Has("--invariant")));
    WRING_ASSIGN(*weights, RandomWeights::Make(*spec, format, gpu));
    return {};
  };
  const Status made = make();
  WRING_TRY(team != nullptr ? team->link().Agree(made) : made);
  return team;
}

}  // namespace

Status BenchGpu(const Arguments& arguments, Device& device) {
  auto& gpu = static_cast<CudaDevice&>(device);
  bench::GpuBenchOptions options;
  options.prefill = static_cast<uint32_t>(arguments.Integer("--prefill"));
  options.decode = static_cast<uint32_t>(arguments.Integer("--decode"));
  options.rows = static_cast<uint32_t>(arguments.Integer("--rows"));
  options.depths = arguments.Integers("--depth");
  options.batches = arguments.Integers("--batch");
  options.codec = CodecByName(arguments.Text("--kv"))->id;
  options.ops = arguments.Has("--ops");
  options.invariant = arguments.Has("--invariant");
  options.repeat = static_cast<int>(arguments.Integer("--repeat"));
  WRING_TRY(CheckWritable(arguments.Text("--json")));

  std::unique_ptr<Model> model;
  std::unique_ptr<Weights> random;
  std::shared_ptr<Team> team;
  ModelSpec spec;
  std::string name;
  if (arguments.Has("--shape")) {
    WRING_ASSIGN(const auto shape, bench::ParseShape(arguments.Text("--shape")));
    spec = shape.spec;
    name = shape.name;
    WRING_ASSIGN(team, MakeRandom(&spec, shape.format->id(), gpu, arguments, &random));
  } else if (arguments.Has("MODEL")) {
    WRING_ASSIGN(model, OpenModel(arguments, false));
    spec = model->spec;
    name = model->name;
  } else {
    return Error(Code::kInvalid, "on a GPU bench needs MODEL or --shape: see wring bench --help");
  }
  const Weights& weights = random != nullptr ? *random : *model->weights;
  ThreadPool threads(1);
  const auto make = [&](const KvLayouts& layouts, PagePool& pool, const ExecutorOptions& o) {
    if (model != nullptr) return MakeExecutor(*model, layouts, pool, o);
    if (team != nullptr) return team->Start(spec, weights, layouts, pool, threads, o);
    return Executor::Create(spec, weights, layouts, pool, threads, o);
  };
  WRING_ASSIGN(const double bandwidth, bench::CopyBandwidth(gpu));
  WRING_ASSIGN(const auto report,
               bench::BenchGpuModel(spec, weights, gpu, bandwidth, options, make));
  const std::string head = fmt::format(
      "{} on {}, driver {}, commit {}, {}; copy {:.0f} GB/s, weights {:.1f} MB a step, peak "
      "memory {} MiB",
      name, gpu.name(), bench::NvidiaDriver(), bench::Commit(),
      options.invariant ? "invariant" : "default grade", bandwidth / 1e9,
      static_cast<double>(weights.bytes_per_token()) / 1e6, gpu.peak_bytes() >> 20);
  const std::string json = JsonText(name, std::string(gpu.name()), bandwidth, report);
  const std::string file = arguments.Text("--json");
  WRING_TRY(
      Print(file == "-" || arguments.Text("--format") == "json" ? json : TableText(head, report)));
  if (!file.empty() && file != "-") WRING_TRY(WriteFileAtomically(file, json));
  return {};
}
#else
Status BenchGpu(const Arguments& /*arguments*/, Device& /*device*/) {
  return Error(Code::kUnsupported, "this build has no CUDA: build it with `make cuda`");
}
#endif

}  // namespace wring::cli
