#include "analyze/verify.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

#include "analyze/gpu_merge.h"
#include "engine/team.h"
#include "kv/sequence_kv.h"
#include "plot/svg.h"

namespace wring::analyze {
namespace {

// The step, and the cache that it needs.
class Setting {
 public:
  Result<std::unique_ptr<Executor>> Make(const Timing& timing, const Workload& work,
                                         CodecId codec) {
    WRING_ASSIGN(layout_, CacheLayout(timing.spec, codec));
    uint64_t bytes = 0;
    uint32_t positions = 1;
    for (const SequenceWork& s : work.sequences) {
      bytes += layout_.pool_bytes(s.cached + s.rows);
      positions = std::max(positions, s.cached + s.rows);
    }
    WRING_ASSIGN(pool_, PagePool::Create(timing.device, bytes));
    if (timing.device.kind() == DeviceKind::kHost) Fill();
    int32_t slot = 0;
    for (uint32_t i = 0; i < work.sequences.size(); ++i) {
      const SequenceWork& s = work.sequences[i];
      WRING_TRY(kv_.emplace_back(pool_.get(), &layout_).Extend(s.cached + s.rows));
      step_.sequences.push_back(kv_.back().View());
      for (uint32_t r = 0; r < s.rows; ++r) {
        StepRow row;
        row.sequence = i;
        row.position = s.cached + r;
        row.token = static_cast<int32_t>((row.position * 7919 + i * 104729) % timing.spec.vocab);
        if (r + s.logits >= s.rows) row.sampling_slot = slot++;
        step_.rows.push_back(row);
      }
    }
    ExecutorOptions options;
    options.max_rows = static_cast<uint32_t>(step_.rows.size());
    options.positions = positions;
    return timing.make(KvLayouts(layout_), *pool_, options);
  }
  const Step& step() const { return step_; }

 private:
  // Memory that nobody wrote is read from one page of zeros, which a core's cache holds: a prompt wrote what a step reads.
  // The byte makes a small number of every codec, and no denormal one.
  void Fill() { std::memset(pool_->at(0), 0x11, pool_->total_bytes()); }

  KvLayout layout_;
  std::unique_ptr<PagePool> pool_;
  std::vector<SequenceKv> kv_;
  Step step_;
};

// The median time of a step; a first run prepares.
Result<double> SecondsOfRun(Executor& executor, const Step& step, int repeat) {
  uint64_t slots = 0;
  for (const StepRow& r : step.rows) slots += r.sampling_slot >= 0 ? 1 : 0;
  WRING_ASSIGN(Buffer logits,
               executor.logits_memory().Allocate(std::max<uint64_t>(1, slots) *
                                                 executor.logits_stride() * sizeof(float)));
  std::vector<int32_t> tokens(slots);
  std::vector<double> seconds;
  for (int i = 0; i <= repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    WRING_TRY(executor.RunGreedily(step, logits.as<float>(), tokens.data()));
    if (i > 0)
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const auto middle = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

// Places in the order, 0 for the least.
std::vector<double> RanksOf(const std::vector<double>& values) {
  std::vector<double> ranks(values.size());
  for (size_t i = 0; i < values.size(); ++i)
    ranks[i] = static_cast<double>(
        std::count_if(values.begin(), values.end(), [&](double v) { return v < values[i]; }));
  return ranks;
}

double Correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    xy += (x[i] - mx) * (y[i] - my);
    yy += (y[i] - my) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 1;
}

std::string_view UnitName(Unit unit) {
  constexpr std::string_view kNames[] = {"products of packed weights", "products of plain weights",
                                         "attention", "other ops"};
  return kNames[static_cast<size_t>(unit)];
}

}  // namespace

Result<std::vector<TimedOp>> TimeOps(const Timing& timing, const Workload& work,
                                     const CostOptions& options, int repeat, double* whole,
                                     const std::function<void()>& then) {
  Setting setting;
  WRING_ASSIGN(
      const auto executor,
      setting.Make(timing, work, options.codec != nullptr ? options.codec->id : CodecId::kF16));
  if (whole != nullptr) {
    WRING_ASSIGN(*whole, SecondsOfRun(*executor, setting.step(), repeat));
    if (then) then();
  }
  std::vector<TimedOp> timed;
  WRING_ASSIGN(const auto times, executor->TimeOps(setting.step(), repeat));
  if (options.gpu) {
    for (const OpCost& op : Price(timing.spec, timing.matrices, work, options)) {
      double seconds = 0;
      uint32_t count = 0;
      for (const Executor::OpTime& t : times) {
        if (PricedName(t.name) != op.name) continue;
        seconds += t.count * t.seconds;
        count += t.count;
      }
      if (count > 0) timed.push_back({op, seconds / count});
    }
    return timed;
  }
  std::vector<OpCost> ops = PriceEach(timing.spec, timing.matrices, work, options);
  if (ops.size() != times.size()) {
    return Error(Code::kUnsupported,
                 "the model is computed in several parts, whose ops cannot be told apart");
  }
  for (size_t i = 0; i < ops.size(); ++i)
    timed.push_back({std::move(ops[i]), times[i].seconds, times[i].touched});
  return timed;
}

Result<std::vector<TimedOp>> TimeOps(Model& model, const Workload& work, const CostOptions& options,
                                     int repeat, double* whole, const std::function<void()>& then) {
  std::vector<const WeightFormat*> formats;
  const std::vector<WeightDecl> decls = WeightsOf(model.spec, ConfigView::Naming::kHuggingFace);
  formats.reserve(decls.size());
  for (const WeightDecl& d : decls) {
    const bool matrix = IsMatrix(d.ref.role);
    formats.push_back(!matrix       ? nullptr
                      : options.gpu ? &Format(model.weights->fragments(d.ref).format)
                                    : model.weights->matrix(d.ref).format);
  }
  const Matrices matrices(model.spec, decls, formats, options.gpu);
  const Timing timing = {model.spec, matrices, model.weights->device(),
                         [&](const KvLayouts& layouts, PagePool& pool, const ExecutorOptions& o) {
                           return MakeExecutor(model, layouts, pool, o);
                         }};
  return TimeOps(timing, work, options, repeat, whole, then);
}

Result<SteadyTimes> TimeSteadily(Model& model, const SpeedMeter& meter, const Workload& work,
                                 const CostOptions& options, int repeat, int tries, bool whole) {
  constexpr double kSteady = 0.12;
  SteadyTimes best;
  double least = 0;
  for (int i = 0; i < tries && (i == 0 || least > kSteady); ++i) {
    SteadyTimes t;
    const auto look = [&] { t.speeds.push_back(meter.Now(*model.threads)); };
    look();
    WRING_ASSIGN(t.ops, TimeOps(model, work, options, repeat, whole ? &t.whole : nullptr, look));
    look();
    double change = Change(t.speeds);
    if (whole) {  // its ops were timed a moment later, and take as long together where nothing changed
      double sum = 0;
      for (const TimedOp& op : t.ops) sum += op.seconds;
      change = std::max(change, std::max(sum, t.whole) / std::min(sum, t.whole) - 1);
    }
    if (i == 0 || change < least) {
      least = change;
      best = std::move(t);
    }
  }
  return best;
}

void Compare(const Workload& work, const std::vector<TimedOp>& timed, double whole,
             const Hardware& hardware, Verification* v) {
  const size_t first = v->ops.size();
  const bool gpu = hardware.Peak({"f16"}) > 0;
  Compared all;
  all.phase = work.name;
  for (const TimedOp& t : timed) {
    if (t.seconds <= 0) continue;  // an op that the step leaves out
    const Predicted p = Predict(t.op, hardware);
    auto at = std::find_if(v->ops.begin() + static_cast<ptrdiff_t>(first), v->ops.end(),
                           [&](const Compared& c) { return c.op == t.op.name; });
    if (at == v->ops.end()) {
      Compared line;
      line.phase = work.name;
      line.op = t.op.name;
      line.unit = t.op.unit;
      line.held = gpu && HeldByCaches(t.op);
      v->ops.push_back(std::move(line));
      at = v->ops.end() - 1;
    }
    for (Compared* c : {&*at, &all}) {
      c->layers += t.op.layers;
      c->predicted += p.seconds;
      c->roofline += p.roofline;
    }
    at->measured += t.op.layers * t.seconds;
  }
  all.measured = whole;
  v->phases.push_back(std::move(all));
}

Agreement AgreementOf(const std::vector<Compared>& lines, const std::vector<Unit>& units) {
  Agreement a;
  std::vector<double> errors, predicted, measured;
  double sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
  for (const Compared& c : lines) {
    if (c.held || std::find(units.begin(), units.end(), c.unit) == units.end()) continue;
    errors.push_back(std::fabs(c.error()));
    predicted.push_back(c.predicted);
    measured.push_back(c.measured);
    a.plain_mape += std::fabs(c.roofline / c.measured - 1);
    const double x = std::log(c.measured);
    const double y = std::log(c.predicted);
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
    syy += y * y;
  }
  a.lines = errors.size();
  if (errors.empty()) return a;
  const auto n = static_cast<double>(errors.size());
  const double xx = sxx - sx * sx / n;
  const double xy = sxy - sx * sy / n;
  const double yy = syy - sy * sy / n;
  a.rank = Correlation(RanksOf(predicted), RanksOf(measured));
  a.slope = xx > 0 ? xy / xx : 1;
  a.r2 = xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 1;
  a.mape = std::accumulate(errors.begin(), errors.end(), 0.0) / n;
  a.plain_mape /= n;
  std::sort(errors.begin(), errors.end());
  a.p90 = errors[std::min(errors.size() - 1, errors.size() * 9 / 10)];
  return a;
}

std::string VerificationCsv(const Verification& v) {
  std::string csv = "step,op,kind,layers,predicted_seconds,measured_seconds,roofline_seconds\n";
  for (const std::vector<Compared>* lines : {&v.ops, &v.phases}) {
    for (const Compared& c : *lines) {
      if (c.held) continue;
      csv +=
          fmt::format("{},\"{}\",{},{},{:.6g},{:.6g},{:.6g}\n", c.phase,
                      c.op.empty() ? "all" : c.op, c.op.empty() ? "whole step" : UnitName(c.unit),
                      c.layers, c.predicted, c.measured, c.roofline);
    }
  }
  return csv;
}

std::string VerificationText(const Verification& v) {
  const auto line = [](const Compared& c) {
    return fmt::format("  {:<28}{:<20}{:>12}{:>12}{:>9}{:>14}\n", c.phase,
                       c.op.empty() ? "all" : c.op, plot::SecondsText(c.predicted),
                       plot::SecondsText(c.measured), fmt::format("{:+.0f} %", 100 * c.error()),
                       plot::SecondsText(c.roofline));
  };
  std::string text = fmt::format("  {:<28}{:<20}{:>12}{:>12}{:>9}{:>14}\n", "step", "op",
                                 "predicted", "measured", "error", "plain roofline");
  for (const Compared& c : v.ops) {
    if (c.unit != Unit::kVector && !c.held) text += line(c);
  }
  text += "\n";
  for (const Compared& c : v.phases) text += line(c);
  text += "\n";
  for (const Unit unit : {Unit::kMatrix, Unit::kPlainMatrix, Unit::kAttention, Unit::kVector}) {
    const Agreement a = AgreementOf(v.ops, {unit});
    if (a.lines == 0) continue;
    text += fmt::format(
        "{}: {} points, mean error {:.1f} %, 90th percentile {:.1f} %, slope {:.2f}, R2 {:.3f}; "
        "plain roofline {:.1f} %\n",
        UnitName(unit), a.lines, 100 * a.mape, 100 * a.p90, a.slope, a.r2, 100 * a.plain_mape);
  }
  const Agreement steps = AgreementOf(v.phases, {Unit::kVector});
  text +=
      fmt::format("whole steps: {}, mean error {:.1f} %, worst {:.1f} %, rank correlation {:.3f}\n",
                  steps.lines, 100 * steps.mape,
                  100 * std::accumulate(v.phases.begin(), v.phases.end(), 0.0,
                                        [](double most, const Compared& c) {
                                          return std::max(most, std::fabs(c.error()));
                                        }),
                  steps.rank);
  std::vector<Compared> worst = v.ops;
  std::erase_if(worst, [](const Compared& c) { return c.held; });
  std::sort(worst.begin(), worst.end(), [](const Compared& a, const Compared& b) {
    return std::fabs(std::log(a.predicted / a.measured)) >
           std::fabs(std::log(b.predicted / b.measured));
  });
  text += "furthest off:\n";
  for (size_t i = 0; i < std::min<size_t>(5, worst.size()); ++i) text += line(worst[i]);
  return text;
}

}  // namespace wring::analyze
