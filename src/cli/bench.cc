// wring bench: speed beside the machine's own roofs.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/atomic_file.h"
#include "bench/random_blocks.h"
#include "bench/random_model.h"
#include "cli/bench_report.h"
#include "cli/gpu_bench.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session_options.h"

namespace wring::cli {
namespace {

constexpr double kTolerance = 1.05;

struct Bencher {
  const Arguments& arguments;
  std::vector<uint32_t> threads;
  std::unique_ptr<bench::Roofs> roofs;
  Bar bar;
  BenchReport report;

  explicit Bencher(const Arguments& a) : arguments(a), threads(a.Integers("--threads")) {
    if (threads.empty()) threads.push_back(static_cast<uint32_t>(DefaultThreads()));
  }
  int repeat() const { return static_cast<int>(arguments.Integer("--repeat")); }
};

Status BenchOpened(Bencher& b, Model& model) {
  bench::ModelBenchOptions options;
  options.prefill = static_cast<uint32_t>(b.arguments.Integer("--prefill"));
  options.decode = static_cast<uint32_t>(b.arguments.Integer("--decode"));
  options.depths = b.arguments.Integers("--depth");
  options.repeat = b.repeat();
  options.session.exact = b.arguments.Has("--exact");
  WRING_ASSIGN(options.session.kv_codec, CacheOf(b.arguments));
  b.report.model = model.name;
  b.report.formats = model.weights->FormatSummary();
  b.report.weight_bytes = model.weights->bytes_per_token();
  b.report.load_seconds = model.load_seconds;
  for (const uint32_t threads : b.threads) {
    model.threads = std::make_unique<ThreadPool>(threads);
    auto& roof = b.report.roofs.emplace_back(
        bench::MeasureRoofs(*b.roofs, *model.threads, b.report.weight_bytes));
    WRING_ASSIGN(const auto rows, bench::BenchModel(model, options, *b.roofs, roof, &b.bar));
    b.report.rows.insert(b.report.rows.end(), rows.begin(), rows.end());
  }
  return {};
}

Status BenchModelArgument(Bencher& b) {
  WRING_ASSIGN(ModelOptions options, LoadingOf(b.arguments));
  options.device = &HostDevice();
  options.reduce = false;
  options.threads = *std::max_element(b.threads.begin(), b.threads.end());
  options.need_text = true;  // the load time that is printed is the one a user waits
  std::string path;
  std::string name;
  std::optional<bench::RandomModelFile> file;
  if (b.arguments.Has("--shape")) {
    WRING_ASSIGN(const auto shape, bench::ParseShape(b.arguments.Text("--shape")));
    WRING_ASSIGN(file, bench::RandomModelFile::Write(shape, &b.bar));
    path = file->path();
  } else {
    WRING_ASSIGN(path, FindModel(b.arguments.Text("MODEL")));
  }
  WRING_ASSIGN(auto model, Model::Open(path, options, &b.bar));
  b.bar.Clear();
  if (options.repack) file.reset();  // its pages may go
  if (b.arguments.Has("--shape") && model->weights->bytes_per_token() < bench::kMemoryBytes) {
    Note(
        "wring: these weights take less than 1 GiB: caches may hold a part of them; give a larger "
        "shape\n");
  }
  return BenchOpened(b, *model);
}

Status BenchGemm(Bencher& b, const WeightFormat& format, ThreadPool& pool,
                 bench::ThreadRoofs& roof) {
  KernelRow row;
  row.kernel = fmt::format("gemm {}", format.name());
  row.threads = roof.threads;
  row.unit = "GOP/s";
  WRING_ASSIGN(row.rate, bench::MeasureGemm(format, pool, b.repeat()));
  const auto fill = [&] {
    row.roof = bench::HasInt8(format) ? roof.arithmetic.int8_gops : roof.arithmetic.fp32_gflops;
    row.bound = bench::GemmBound(format, roof.arithmetic);
    row.beats_roof = row.rate.best > kTolerance * row.bound;
  };
  fill();
  if (row.beats_roof) {
    roof.arithmetic = bench::Roofs::Arithmetic(pool);  // once more before it is believed
    fill();
  }
  b.report.kernels.push_back(std::move(row));
  return {};
}

Status BenchGemv(Bencher& b, const WeightFormat& format, ThreadPool& pool,
                 bench::ThreadRoofs& roof) {
  KernelRow row;
  row.kernel = fmt::format("gemv {}", format.name());
  row.threads = roof.threads;
  row.unit = "GB/s";
  WRING_ASSIGN(row.rate, bench::MeasureGemv(format, pool, bench::kMemoryBytes, b.repeat(), &b.bar));
  if (row.rate.best > kTolerance * roof.read.gb_per_s) {
    const bench::ReadRoof again = b.roofs->Read(pool);
    if (again.gb_per_s > roof.read.gb_per_s) roof.read = again;
  }
  row.roof = row.bound = roof.read.gb_per_s;
  row.beats_roof = row.rate.best > kTolerance * row.bound;
  WRING_ASSIGN(row.cached, bench::CachedGemv(format, pool));
  b.report.kernels.push_back(std::move(row));
  return {};
}

Status BenchKernels(Bencher& b) {
  std::vector<const WeightFormat*> gemm;
  std::vector<const WeightFormat*> gemv;
  for (const auto& name : b.arguments.Texts("--gemm")) {
    WRING_ASSIGN(gemm.emplace_back(), bench::FormatByName(name));
  }
  for (const auto& name : b.arguments.Texts("--gemv")) {
    WRING_ASSIGN(gemv.emplace_back(), bench::FormatByName(name));
  }
  // Without --threads the products are shown with one thread and with all.
  std::vector<uint32_t> counts = b.threads;
  if (!b.arguments.Has("--threads") && counts[0] > 1) counts = {1, counts[0]};
  for (const uint32_t threads : counts) {
    ThreadPool pool(threads);
    auto& roof = b.report.roofs.emplace_back(bench::MeasureRoofs(*b.roofs, pool, 0));
    for (const auto* format : gemm) WRING_TRY(BenchGemm(b, *format, pool, roof));
    for (const auto* format : gemv) WRING_TRY(BenchGemv(b, *format, pool, roof));
  }
  return {};
}

Status Write(const Bencher& b) {
  const std::string json_file = b.arguments.Text("--json");
  const std::string format = json_file == "-" ? "json" : b.arguments.Text("--format");
  WRING_TRY(Print(format == "json"  ? JsonText(b.report)
                  : format == "csv" ? CsvText(b.report)
                                    : TableText(b.report)));
  if (!json_file.empty() && json_file != "-")
    WRING_TRY(WriteFileAtomically(json_file, JsonText(b.report)));
  const std::string beaten = RoofBeaten(b.report);
  if (beaten.empty()) return {};
  return Error(Code::kInternal,
               "a kernel beats its roof: {}; a figure is wrong, or other programs ran while the "
               "roof was measured: "
               "repeat on a quiet machine",
               beaten);
}

// The file appears whole: it is copied beside its place and then renamed.
Status WriteShape(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const std::string path = arguments.Text("--write");
  if (!arguments.Has("--shape")) {
    return Error(Code::kInvalid, "--write writes a model of random weights: add --shape");
  }
  WRING_ASSIGN(const auto shape, bench::ParseShape(arguments.Text("--shape")));
  Bar bar;
  WRING_ASSIGN(const auto file, bench::RandomModelFile::Write(shape, &bar));
  std::error_code error;
  const std::string part = path + ".part";
  fs::copy_file(file.path(), part, fs::copy_options::overwrite_existing, error);
  if (!error) fs::rename(part, path, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(part, ignored);
  return Error(Code::kIo,
               "{}: the model could not be written ({}): free space, or give another path", path,
               error.message());
}

}  // namespace

Status Bench(const Arguments& arguments) {
  const bool model = arguments.Has("MODEL") || arguments.Has("--shape");
  const bool machine =
      arguments.Has("--roofs") || arguments.Has("--gemm") || arguments.Has("--gemv");
  if (arguments.Has("--write")) return WriteShape(arguments);
  WRING_ASSIGN(Device * device, DeviceOf(arguments));
  const bool processor = machine || arguments.Has("--threads");
  if (device->kind() != DeviceKind::kHost && !processor) return BenchGpu(arguments, *device);
  if (!model && !machine) {
    return Error(Code::kInvalid,
                 "bench needs MODEL, --shape, --roofs, --gemm or --gemv: see wring bench --help");
  }
  if (arguments.Has("MODEL") && arguments.Has("--shape")) {
    return Error(Code::kInvalid, "bench takes MODEL or --shape, not both: leave one out");
  }
  if (cpu::SupportedIsas().empty()) {
    return Error(Code::kUnsupported,
                 "this processor has neither AVX2 nor NEON: Wring needs one of them");
  }
  Bencher b(arguments);
  b.report.machine = bench::ThisMachine();
  WRING_TRY(CheckWritable(arguments.Text("--json")));
  if (model && arguments.Has("MODEL")) WRING_TRY(FindModel(arguments.Text("MODEL")));
  WRING_TRY(bench::CheckMemory(bench::kMemoryBytes, "measuring the read bandwidth"));
  WRING_ASSIGN(b.roofs, bench::Roofs::Create(bench::kMemoryBytes, &b.bar));
  if (model) WRING_TRY(BenchModelArgument(b));
  if (machine) WRING_TRY(BenchKernels(b));
  b.bar.Clear();
  return Write(b);
}

}  // namespace wring::cli
