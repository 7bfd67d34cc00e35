// wring analyze: what a model costs on a machine, op by op; and how fast machines and models grew.
#include <algorithm>
#include <filesystem>

#include "analyze/report.h"
#include "analyze/this_machine.h"
#include "analyze/trends.h"
#include "analyze/verify.h"
#include "base/atomic_file.h"
#include "cli/gpu_calibrate.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "formats/mapped_file.h"
#include "model/shard.h"

namespace wring::cli {
namespace {

using analyze::Report;
using analyze::Workload;

Result<analyze::Hardware> HardwareOf(const Arguments& a) {
  WRING_ASSIGN(const Device* const gpu, GpuOf(a));
  if (a.Has("--on")) {
    if (gpu != nullptr)
      return Error(Code::kInvalid, "--device is of this machine: leave it or --on out");
    return analyze::FindHardware(a.Text("--on"));
  }
  if (gpu != nullptr) return Calibrated(*gpu);
  const uint32_t threads = ThreadsOf(a.Integer("--threads"));
  auto known = Calibrated(threads);
  if (known.ok()) return known;  // else it is measured now
  Bar bar;
  return analyze::MeasureThisMachine(threads, &bar);
}

// The phases that --phase asks for, each with every batch and context.
Result<std::vector<Workload>> PhasesOf(const Arguments& a, const ModelSpec& spec) {
  const std::string phase = a.Text("--phase");
  const std::vector<uint32_t> prompts = a.Integers("--prompt");
  const auto draft = static_cast<uint32_t>(a.Integer("--draft"));
  const std::vector<uint32_t> batches = a.Integers("--batch");
  const std::vector<uint32_t> contexts = a.Integers("--context");
  std::vector<Workload> all;
  if (!spec.causal) {
    if (phase != "all" && phase != "encoder" && phase != "train") {
      return Error(Code::kInvalid,
                   "this model is an encoder, which has no --phase {}: use encoder or train",
                   phase);
    }
    for (const uint32_t b : batches) {
      for (const uint32_t p : prompts)
        all.push_back(analyze::Prefill(b, std::min(p, spec.context)));
    }
    return phase == "train" ? std::vector<Workload>() : all;
  }
  if (phase == "encoder") {
    return Error(Code::kInvalid,
                 "this model is no encoder: use --phase prefill, decode, chunk, verify or train");
  }
  for (const uint32_t b : batches) {
    for (const uint32_t p : prompts) {
      if (phase == "prefill" || phase == "all") all.push_back(analyze::Prefill(b, p));
    }
    for (const uint32_t c : contexts) {
      if (phase == "decode" || phase == "all") all.push_back(analyze::Decode(b, c));
      for (const uint32_t p : prompts) {
        if (phase == "chunk") all.push_back(analyze::Chunk(p, 0, b, c));
      }
      if (phase == "verify") all.push_back(analyze::Verify(b, c, draft));
    }
  }
  return all;
}

Result<Report> ReportOf(const Arguments& a) {
  WRING_ASSIGN(analyze::Subject m, SubjectOf(a, a.Text("--weights")));
  WRING_ASSIGN(const analyze::Hardware hardware, HardwareOf(a));
  const bool gpu = hardware.Peak({"f16"}) > 0;
  const auto ranks = static_cast<uint32_t>(a.Integer("--tp"));
  WRING_ASSIGN(m.spec.sharding, Shard(m.spec, 0, ranks, gpu));
  const std::vector<WeightDecl> decls = ShardWeights(m.decls, m.spec);
  const ModelSpec spec = LocalSpec(m.spec);
  const analyze::Matrices matrices(spec, decls, m.formats, gpu);

  analyze::ReportOptions options;
  options.cost = analyze::CostOptions::On(gpu);
  options.cost.codec = CodecByName(a.Text("--kv"));
  options.cost.budget = static_cast<uint32_t>(a.Integer("--budget"));
  options.cost.centroids = a.Number("--centroids");
  options.cost.lora_rank = static_cast<uint32_t>(a.Integer("--lora-rank"));
  options.cost.lora_adapters = static_cast<uint32_t>(a.Integer("--adapters"));
  WRING_ASSIGN(options.phases, PhasesOf(a, spec));
  if (a.Text("--phase") == "train") {
    if (ranks > 1) return Error(Code::kInvalid, "--phase train prices one machine: leave --tp out");
    options.training.emplace();
    options.training->batch = a.Integers("--batch")[0];
    options.training->length = a.Integers("--prompt")[0];
    options.training->dropout = !spec.causal;  // as BERT is trained; today's decoders are not
  }
  Report report = analyze::Analyze(spec, matrices, hardware, options);
  report.model = m.name;
  report.weights = TypesOf(m);
  report.ranks = ranks;
  return report;
}

Status Written(const std::string& file, const std::string& text) {
  return file.empty() ? Status() : WriteFileAtomically(file, text);
}

std::string ConstantsText(const analyze::Hardware& hardware, bool gpu) {
  constexpr const char* kNames[] = {"packed products", "plain products", "attention", "other ops"};
  constexpr const char* kBeside[] = {"an element of the input", "an element of the input",
                                     "an element just written", "beside"};
  std::string text;
  for (size_t u = 0; u < analyze::kUnits; ++u) {
    const analyze::Constants& c = hardware.constants[u];
    text += fmt::format(
        "  {:<16} {:>4.0f} % of the arithmetic, {:>4.0f} % of the bandwidth, {:.1f} us an op",
        kNames[u], 100 * c.compute, 100 * c.memory, 1e6 * c.start);
    if (!gpu) text += fmt::format(", {:.2f} ns {}", 1e9 * c.beside, kBeside[u]);
    if (static_cast<analyze::Unit>(u) == analyze::Unit::kAttention && !gpu)
      text += fmt::format(", {:.0f} ns a first run over a block, {:.1f} us where those are shared",
                          1e9 * c.unpack, 1e6 * c.meet);
    if (IsProduct(static_cast<analyze::Unit>(u)) && !gpu)
      text += fmt::format(", {:.0f} and {:.0f} ps a weight to unpack and to expand",
                          1e12 * c.unpack, 1e12 * c.expand);
    text += "\n";
  }
  return text;
}

Status Calibrate(const Arguments& a) {
  WRING_ASSIGN(Device* const gpu, GpuOf(a));
  const uint32_t threads = ThreadsOf(a.Integer("--threads"));
  const std::filesystem::path file =
      gpu != nullptr ? CalibrationFile(*gpu) : CalibrationFile(threads);
  Bar bar;
  analyze::Hardware hardware;
  std::string rates, levels;
  if (gpu != nullptr) {
    WRING_ASSIGN(hardware, CalibrateGpu(*gpu, &bar));
    rates = fmt::format("{:.0f} TFLOP/s float16", hardware.Peak({"f16"}) / 1e12);
  } else {
    WRING_ASSIGN(hardware, analyze::Calibrate(threads, &bar));
    WRING_ASSIGN(const analyze::Levels measured, analyze::MeasureLevels(threads, &bar));
    levels = analyze::LevelsText(measured);
    rates = fmt::format("{:.0f} GFLOP/s float32, {:.0f} GOP/s int8", hardware.Peak({"f32"}) / 1e9,
                        hardware.Peak({"int8"}) / 1e9);
  }
  bar.Clear();
  std::error_code ignored;  // the write says it
  std::filesystem::create_directories(file.parent_path(), ignored);
  WRING_TRY(WriteFileAtomically(file.string(), analyze::HardwareJson(hardware)));
  return Print(fmt::format("{}: {:.1f} GB/s, {}; fitted on {}\n", hardware.title,
                           hardware.bandwidth / 1e9, rates, hardware.fitted) +
               ConstantsText(hardware, gpu != nullptr) + levels +
               fmt::format("kept in {}\n", file.string()));
}

// Runs the model's own steps beside their prediction.
Status Verify(const Arguments& a) {
  WRING_ASSIGN(const std::string path, FindModel(a.Text("MODEL")));
  WRING_ASSIGN(Device* const gpu, GpuOf(a));
  ModelOptions options;
  options.device = gpu;
  options.threads = ThreadsOf(a.Integer("--threads"));
  const auto hardware = gpu != nullptr ? Calibrated(*gpu) : Calibrated(options.threads);
  options.need_text = false;
  Bar bar;
  WRING_ASSIGN(const auto model, Model::Open(path, options, &bar));
  analyze::CostOptions cost = analyze::CostOptions::On(gpu != nullptr);
  cost.codec = CodecByName(a.Text("--kv"));
  WRING_ASSIGN(const auto phases, PhasesOf(a, model->spec));
  for (const Workload& work : phases) {
    constexpr uint64_t kMostRows = 8192;  // of a step, as wring serve --rows
    if (work.rows() > kMostRows) {
      return Error(Code::kInvalid,
                   "{} is a step of {} rows, and the engine computes at most {}: make --batch or "
                   "--prompt smaller, or choose a --phase",
                   work.name, work.rows(), kMostRows);
    }
    for (const analyze::SequenceWork& q : work.sequences) {
      if (q.rows <= model->spec.context && q.cached <= model->spec.context - q.rows) continue;
      return Error(Code::kInvalid,
                   "{} is more than the {} positions of {}: make --prompt or --context smaller",
                   work.name, model->spec.context, model->name);
    }
  }
  WRING_TRY(hardware.status());
  std::optional<analyze::SpeedMeter> meter;  // of a processor, which others may share
  if (gpu == nullptr) {
    WRING_ASSIGN(meter, analyze::SpeedMeter::Create(*model->threads, &bar));
  }
  analyze::Verification verification;
  uint64_t done = 0;
  for (const Workload& work : phases) {
    bar.Report("timing ops", done++, phases.size());
    const int repeat = static_cast<int>(a.Integer("--repeat"));
    if (meter) {
      WRING_ASSIGN(const analyze::SteadyTimes timed,
                   analyze::TimeSteadily(*model, *meter, work, cost, repeat,
                                         work.rows() <= 32 ? 8 : 3, true));
      analyze::Compare(work, timed.ops, timed.whole, analyze::Between(*hardware, timed.speeds),
                       &verification);
      continue;
    }
    double whole = 0;
    WRING_ASSIGN(const auto timed, analyze::TimeOps(*model, work, cost, repeat, &whole));
    analyze::Compare(work, timed, whole, *hardware, &verification);
  }
  bar.Clear();
  if (a.Text("--format") == "csv") return Print(analyze::VerificationCsv(verification));
  return Print(fmt::format("{} on {}\n", model->name, hardware->title) +
               (meter ? "how fast the machine is was measured beside each step\n" : "") +
               analyze::VerificationText(verification));
}

Status Trends(const Arguments& a) {
  std::vector<analyze::Trend> trends = analyze::PublishedTrends();
  if (a.Has("--points")) {
    WRING_ASSIGN(const auto file, MappedFile::Open(a.Text("--points")));
    const auto bytes = file->bytes();
    WRING_ASSIGN(trends,
                 analyze::ParseTrends({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                      a.Text("--points")));
  }
  WRING_TRY(Written(a.Text("--svg"), analyze::TrendsSvg(trends)));
  if (a.Text("--format") == "json") return Print(analyze::TrendsJson(trends));
  if (a.Text("--format") == "csv") {
    std::string csv = "series,points,growth_2_years,growth_20_years,r2,low,high\n";
    for (const analyze::Trend& t : trends)
      csv += fmt::format("{},{},{:.6g},{:.6g},{:.4f},{:.6g},{:.6g}\n", t.name, t.points.size(),
                         t.fit.growth(2), t.fit.growth(20), t.fit.r2, t.low, t.high);
    return Print(csv);
  }
  return Print(analyze::TrendsText(trends));
}

}  // namespace

Status Analyze(const Arguments& a) {
  for (const char* file : {"--html", "--svg", "--json"}) WRING_TRY(CheckWritable(a.Text(file)));
  if (a.Text("MODEL") == "trends") return Trends(a);
  if (a.Text("MODEL") == "calibrate") return Calibrate(a);
  if (a.Has("--svg") || a.Has("--points")) {
    return Error(
        Code::kInvalid,
        "--svg and --points belong to wring analyze trends: use --html for a model's report");
  }
  if (a.Has("MODEL") == a.Has("--shape")) {
    return Error(Code::kInvalid,
                 "analyze needs one of MODEL, --shape, trends and calibrate: see wring analyze "
                 "--help");
  }
  if (a.Has("--verify")) {
    if (a.Has("--shape") || a.Has("--on") || a.Has("--weights") || a.Integer("--tp") != 1 ||
        a.Text("--phase") == "train") {
      return Error(Code::kInvalid,
                   "--verify runs a model here: leave --shape, --on, --weights, --tp and --phase "
                   "train out");
    }
    return Verify(a);
  }
  WRING_ASSIGN(const Report report, ReportOf(a));
  WRING_TRY(Written(a.Text("--html"), analyze::ReportHtml(report)));
  WRING_TRY(Written(a.Text("--json"), analyze::ReportJson(report)));
  if (a.Text("--format") == "json") return Print(analyze::ReportJson(report));
  if (a.Text("--format") == "csv") return Print(analyze::ReportCsv(report));
  return Print(analyze::ReportText(report));
}

}  // namespace wring::cli
