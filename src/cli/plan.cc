// wring plan: how to serve a model on a machine within limits.
#include <charconv>

#include "analyze/this_machine.h"
#include "base/atomic_file.h"
#include "bench/random_blocks.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "formats/mapped_file.h"
#include "formats/printable.h"
#include "planner/planner.h"
#include "planner/trace.h"

namespace wring::cli {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix kCounts[] = {{"", 1}, {"k", 1024}, {"K", 1024}, {"M", 1 << 20}};
constexpr Suffix kSeconds[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"", 1}};
constexpr Suffix kBytes[] = {{"G", 1e9},  {"GB", 1e9},      {"GiB", 1 << 30}, {"M", 1e6},
                             {"MB", 1e6}, {"MiB", 1 << 20}, {"T", 1e12},      {"TB", 1e12}};
constexpr Suffix kShares[] = {{"%", 0.01}, {"", 1}};

// A number with one of the suffixes; 0 where the option was not given.
template <size_t N>
Result<double> Quantity(const Arguments& a, const char* flag, const Suffix (&suffixes)[N],
                        const char* example) {
  const std::string text = a.Text(flag);
  if (text.empty()) return 0.0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  for (const Suffix& s : suffixes) {
    if (error == std::errc() && rest == s.text && value > 0 && value < 1e15)
      return value * s.factor;
  }
  return Error(Code::kInvalid, "{} cannot be {}: give a number above 0 such as {}", flag,
               Quoted(text), example);
}

Result<planner::Goal> GoalOf(const Arguments& a, const ModelSpec& spec) {
  planner::Goal g;
  WRING_ASSIGN(const double prompt, Quantity(a, "--prompt", kCounts, "2k or 500"));
  WRING_ASSIGN(const double output, Quantity(a, "--output", kCounts, "256 or 1k"));
  WRING_ASSIGN(g.ttft, Quantity(a, "--ttft", kSeconds, "1s or 500ms"));
  WRING_ASSIGN(g.tpot, Quantity(a, "--tpot", kSeconds, "50ms"));
  WRING_ASSIGN(g.memory, Quantity(a, "--memory", kBytes, "8G or 500M"));
  WRING_ASSIGN(g.loss, Quantity(a, "--max-loss", kShares, "2% or 0.02"));
  if (prompt + output > spec.context || prompt < 1 || output < 1) {
    return Error(Code::kInvalid,
                 "--prompt {:.0f} and --output {:.0f} are not from 1 to the {} positions of the "
                 "model together: make one of them smaller",
                 prompt, output, spec.context);
  }
  g.prompt = static_cast<uint32_t>(prompt);
  g.output = static_cast<uint32_t>(output);
  return g;
}

// The whole grid, or what the options leave of it.
Result<planner::Grid> GridOf(const Arguments& a, const planner::Pricing& pricing) {
  planner::Grid g = planner::WholeGrid(pricing);
  if (a.Has("--weights")) {
    g.weights.clear();
    for (const std::string& name : a.Texts("--weights")) {
      if (name == "file") {
        g.weights.push_back(nullptr);
        continue;
      }
      WRING_ASSIGN(const WeightFormat* format, bench::FormatByName(name));
      if (!pricing.Fits(*format)) {
        return Error(Code::kInvalid, "{} has rows that are no whole blocks of {}: leave it out",
                     pricing.subject().name, name);
      }
      g.weights.push_back(format);
    }
  }
  if (a.Has("--kv")) {
    g.kv.clear();
    for (const std::string& name : a.Texts("--kv")) {
      const KvCodec* codec = CodecByName(name);
      if (codec == nullptr)
        return Error(Code::kInvalid, "--kv cannot be {}: give f16, f32 or int8", Quoted(name));
      g.kv.push_back(codec->id);
    }
  }
  if (a.Has("--sequences")) g.sequences = a.Integers("--sequences");
  if (a.Has("--rows")) g.rows = a.Integers("--rows");
  return g;
}

// This machine with each number of threads, as it is now; or its GPU; or the one that --on names.
Result<std::vector<analyze::Hardware>> MachinesOf(const Arguments& a, const Device* gpu,
                                                  Progress* progress) {
  std::vector<analyze::Hardware> machines;
  if (a.Has("--on")) {
    WRING_ASSIGN(machines.emplace_back(), analyze::FindHardware(a.Text("--on")));
    return machines;
  }
  if (gpu != nullptr) {
    WRING_ASSIGN(machines.emplace_back(), Calibrated(*gpu));
    return machines;
  }
  std::vector<uint32_t> threads = a.Integers("--threads");
  for (uint32_t& t : threads) {
    t = ThreadsOf(t);
    WRING_ASSIGN(const analyze::Hardware h, Calibrated(t));
    ThreadPool pool(t);
    WRING_ASSIGN(const auto meter, analyze::SpeedMeter::Create(pool, progress));
    const analyze::Speed now = meter.Now(pool);
    machines.push_back(analyze::Between(h, {now}));
  }
  return machines;
}

Result<std::vector<planner::Arrival>> TraceOf(const Arguments& a, planner::Goal* goal,
                                              uint32_t context) {
  WRING_ASSIGN(const auto file, MappedFile::Open(a.Text("--trace")));
  const auto bytes = file->bytes();
  WRING_ASSIGN(auto arrivals,
               planner::ParseTrace({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                   a.Text("--trace")));
  if (a.Has("--requests"))
    arrivals.resize(
        std::min<size_t>(arrivals.size(), static_cast<size_t>(a.Integer("--requests"))));
  for (planner::Arrival& arrival : arrivals) arrival.seconds /= a.Number("--speed");
  planner::FitTrace(&arrivals, context);
  // The pool holds as many of the longest as there are sequences.
  for (const planner::Arrival& arrival : arrivals) {
    goal->prompt = std::max(goal->prompt, arrival.prompt);
    goal->output = std::max(goal->output, arrival.output);
  }
  goal->prompt = std::min(goal->prompt, context - goal->output);
  return arrivals;
}

}  // namespace

Status Plan(const Arguments& a) {
  WRING_TRY(CheckWritable(a.Text("--json")));
  if (a.Has("MODEL") == a.Has("--shape"))
    return Error(Code::kInvalid, "plan needs one of MODEL and --shape: see wring plan --help");
  WRING_ASSIGN(Device* const gpu, GpuOf(a));
  if (a.Has("--on") && (a.Has("--threads") || gpu != nullptr))
    return Error(Code::kInvalid,
                 "--threads and --device are of this machine: leave them or --on out");
  if (gpu != nullptr && a.Has("--threads"))
    return Error(Code::kInvalid, "--threads is of the processor: leave it or --device {} out",
                 a.Text("--device"));
  WRING_ASSIGN(const analyze::Subject subject, SubjectOf(a, ""));
  if (!subject.spec.causal) {
    return Error(Code::kUnsupported, "{} is an encoder, which answers no prompts: plan a decoder",
                 subject.name);
  }
  planner::PlanOptions options;
  WRING_ASSIGN(options.goal, GoalOf(a, subject.spec));
  if (a.Has("--trace")) {
    WRING_ASSIGN(options.trace, TraceOf(a, &options.goal, subject.spec.context));
  }
  Bar bar;
  WRING_ASSIGN(const auto machines, MachinesOf(a, gpu, &bar));
  std::vector<planner::Pricing> pricings;
  pricings.reserve(machines.size());
  for (const analyze::Hardware& h : machines) pricings.emplace_back(subject, h);
  if (options.goal.memory == 0) options.goal.memory = 0.9 * machines[0].memory;
  WRING_ASSIGN(options.grid, GridOf(a, pricings[0]));
  options.replays = static_cast<uint32_t>(a.Integer("--replays"));
  options.trials = static_cast<uint32_t>(a.Integer("--trials"));
  std::string path;
  if (a.Has("MODEL")) {
    WRING_ASSIGN(path, FindModel(a.Text("MODEL")));
  }
  planner::Trials trials(path, subject, gpu, &bar);
  CancelToken cancel;
  const Interrupt interrupt(&cancel);
  auto plan =
      planner::MakePlan(pricings, options, a.Has("--on") ? nullptr : &trials, &bar, &cancel);
  bar.Clear();
  WRING_TRY(plan.status());
  const std::string model = a.Has("MODEL") ? a.Text("MODEL") : "MODEL";
  if (a.Has("--json") && a.Text("--json") != "-") {
    WRING_TRY(WriteFileAtomically(a.Text("--json"), planner::PlanJson(*plan, model, pricings)));
  }
  WRING_TRY(Print(a.Text("--json") == "-" ? planner::PlanJson(*plan, model, pricings)
                                          : planner::PlanText(*plan, model, pricings)));
  if (plan->found) return {};
  return Error(Code::kLimit, "no choice holds the limits: {}", plan->why);
}

}  // namespace wring::cli
