#include <algorithm>
#include <chrono>
#include <map>

#include "analyze/this_machine.h"
#include "analyze/verify.h"
#include "bench/random_model.h"

namespace wring::analyze {
namespace {

// Weights beyond any cache, matrices between those of models of a tenth of a billion and of seven billion parameters; heads
// that share keys by one, two, four and eight, of 64 and 128 elements.
constexpr const char* kShapes[] = {
    "layers=9,hidden=2048,heads=16,kv=4,ffn=5632,vocab=4096:Q8_0",
    "layers=14,hidden=2048,heads=16,kv=2,ffn=5632,vocab=4096:Q4_K",
    "layers=112,hidden=512,heads=8,kv=4,ffn=1536,vocab=16384:Q4_0",
    "layers=5,hidden=2048,heads=32,kv=32,ffn=5632,vocab=4096:F16",
};

std::vector<Workload> Steps() {
  std::vector<Workload> steps;
  for (const uint32_t rows : {1U, 3U, 8U, 16U, 32U, 80U, 200U}) steps.push_back(Prefill(1, rows));
  for (const uint32_t depth : {40U, 90U, 300U, 1000U, 3000U}) steps.push_back(Decode(1, depth));
  steps.push_back(Decode(2, 60));
  steps.push_back(Decode(3, 200));
  steps.push_back(Decode(4, 130));
  steps.push_back(Decode(4, 700));
  steps.push_back(Decode(6, 1200));
  steps.push_back(Decode(12, 100));
  steps.push_back(Chunk(24, 2500, 1, 300));
  steps.push_back(Chunk(64, 900, 2, 500));
  return steps;
}

// Ops of one name are alike in these shapes: one each, with the median of its layers.
std::vector<TimedOp> OfLayers(const std::vector<TimedOp>& timed) {
  std::map<std::string, std::pair<const OpCost*, std::vector<double>>> names;
  for (const TimedOp& t : timed) {
    if (t.seconds <= 0) continue;  // an op that the step leaves out
    auto& [op, seconds] = names[t.op.name];
    op = &t.op;
    seconds.push_back(t.seconds);
  }
  std::vector<TimedOp> all;
  for (auto& [name, of] : names) {
    auto& seconds = of.second;
    const auto middle = seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    all.push_back({*of.first, *middle, {}});
  }
  return all;
}

void Fit(const std::array<std::vector<Measured>, kUnits>& measured, Hardware* h) {
  size_t count = 0;
  for (size_t u = 0; u < kUnits; ++u) {
    h->constants[u] = FitConstants(measured[u]);
    count += measured[u].size();
  }
  h->fitted = fmt::format("{} ops of this engine here, random weights", count);
}

// An op's time and how fast the machine was around it.
struct Taken {
  TimedOp timed;
  std::vector<Speed> speeds;
};

// How often a step is run and, where the machine changed meanwhile, timed again: a short one is bound by memory, whose pace
// changes most; a long one, of which a single run tells much by its many layers, has no time for more.
struct Effort {
  int repeat = 7;  // as for TimeOps
  int tries = 3;
};

// Divides the time that calibration may take among its steps: what is left when each is run once.
class Schedule {
 public:
  explicit Schedule(uint64_t steps) : left_(steps) {}
  // For the next step, which takes about so long.
  Effort Next(double seconds) {
    constexpr double kAll = 50;  // what is left of a minute is for the fit
    constexpr double kMost = 0.5;
    const double gone = std::chrono::duration<double>(Clock::now() - start_).count();
    const double left = kAll - gone - static_cast<double>(left_) * once_ / std::max(done_, 1.0);
    const double share = std::clamp(left / static_cast<double>(left_), 0.0, kMost);
    Effort effort;
    effort.repeat = std::clamp(static_cast<int>(share / std::max(seconds, 1e-3)), 0, 7);
    if (seconds * std::max(effort.repeat, 1) > share / 2) effort.tries = 1;
    return effort;
  }
  // It took so long, run once.
  void Done(double seconds) {
    constexpr double kLook = 0.1;  // at how fast the machine is, before and after
    once_ += kLook + seconds;
    ++done_;
    --left_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start_ = Clock::now();
  uint64_t left_;
  double done_ = 0, once_ = 0;
};

// What the machine does in the middle of the time that calibration takes: its beginning may have been no usual one.
void SetUsual(const std::vector<Taken>& taken, Hardware* h) {
  const auto usual = [&](double Speed::*rate) {
    std::vector<double> all;
    for (const Taken& t : taken) {
      for (const Speed& s : t.speeds) all.push_back(s.*rate);
    }
    const auto middle = all.begin() + static_cast<ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), middle, all.end());
    return *middle;
  };
  const double pace = usual(&Speed::arithmetic) / h->Peak({"int8"});
  for (auto& [name, peak] : h->peaks) peak *= pace;
  h->bandwidth = usual(&Speed::bandwidth);
  h->meeting = usual(&Speed::meeting);
  h->piece = usual(&Speed::piece);
}

// All times as they would be at the usual pace of the arithmetic: that is what the constants are of. Those that were taken
// while the machine did much less are left out.
std::array<std::vector<Measured>, kUnits> AtUsualPace(const std::vector<Taken>& taken,
                                                      const Hardware& h) {
  constexpr double kLeast = 0.8;
  std::array<std::vector<Measured>, kUnits> measured;
  for (const Taken& t : taken) {
    Hardware now = Between(h, t.speeds);
    const double pace = now.Peak({"int8"}) / h.Peak({"int8"});
    if (pace < kLeast) continue;
    now.peaks = h.peaks;
    now.caches = h.caches;
    now.bandwidth /= pace;
    Measured m;
    static_cast<Load&>(m) = LoadOf(t.timed.op, now);
    m.seconds = t.timed.seconds * pace;
    measured[static_cast<size_t>(t.timed.op.unit)].push_back(m);
  }
  return measured;
}

}  // namespace

Result<Hardware> Calibrate(uint32_t threads, Progress* progress) {
  const std::vector<Workload> steps = Steps();
  uint64_t done = 0;
  const uint64_t all = std::size(kShapes) * steps.size();
  Schedule schedule(all);
  WRING_ASSIGN(Hardware h, MeasureThisMachine(threads, progress));
  std::vector<Taken> taken;
  CostOptions options;
  ThreadPool pool(h.threads);
  WRING_ASSIGN(const SpeedMeter meter, SpeedMeter::Create(pool, progress));
  for (const char* text : kShapes) {
    WRING_ASSIGN(const auto shape, bench::ParseShape(text));
    WRING_ASSIGN(const auto file, bench::RandomModelFile::Write(shape, progress));
    ModelOptions open;
    open.threads = threads;
    open.need_text = false;
    WRING_ASSIGN(const auto model, Model::Open(file.path(), open, progress));
    double a_row = 0;  // seconds, by the step before
    for (const Workload& work : steps) {
      const Effort effort = schedule.Next(a_row * work.rows());
      WRING_ASSIGN(const SteadyTimes timed,
                   TimeSteadily(*model, meter, work, options, effort.repeat, effort.tries, false));
      a_row = 0;
      for (const TimedOp& t : timed.ops) a_row += t.seconds / work.rows();
      schedule.Done(a_row * work.rows());
      for (TimedOp& t : OfLayers(timed.ops)) {
        // So few keys: what is measured is no attention.
        if (t.op.unit == Unit::kAttention && work.sequences[0].cached + work.rows() < 32) continue;
        taken.push_back({std::move(t), timed.speeds});
      }
      if (progress != nullptr) progress->Report("timing ops", ++done, all);
    }
  }
  SetUsual(taken, &h);
  Fit(AtUsualPace(taken, h), &h);
  return h;
}

Hardware FitGpu(Hardware gpu, const std::vector<TimedOp>& timed) {
  if (gpu.Peak({"f16"}) <= 0) {
    double rate = 0;
    for (const TimedOp& t : timed) {
      if (t.op.unit == Unit::kPlainMatrix) rate = std::max(rate, t.op.cost.flops / t.seconds);
    }
    gpu.peaks["f16"] = rate;
  }
  std::array<std::vector<Measured>, kUnits> measured;
  for (const TimedOp& t : timed) {
    Measured m;
    static_cast<Load&>(m) = LoadOf(t.op, gpu);
    m.seconds = t.seconds;
    // Small ones tell what a launch costs, wherever their weights come from.
    if (HeldByCaches(t.op) && m.memory > 0.3 * m.seconds) continue;
    measured[static_cast<size_t>(t.op.unit)].push_back(m);
  }
  Fit(measured, &gpu);
  return gpu;
}

}  // namespace wring::analyze
