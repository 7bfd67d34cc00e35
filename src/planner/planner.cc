#include "planner/planner.h"

#include <algorithm>
#include <cmath>

namespace wring::planner {
namespace {

constexpr double kOff = 0.15;  // an error from which prices are fitted anew
constexpr uint32_t kRounds = 3;
constexpr double kTrialSeconds = 15;  // that counted requests of a trial may take, roughly

Load LoadFor(const PlanOptions& options, const Choice& choice, const Figures& f) {
  Load load;
  load.arrivals = options.trace;
  if (!load.arrivals.empty()) return load;
  load.clients = choice.sequences;
  load.prompt = options.goal.prompt;
  load.output = options.goal.output;
  const double request = f.ttft + options.goal.output * f.tpot;
  const auto most = std::max(1U, 8 / choice.sequences);
  load.rounds =
      std::clamp(static_cast<uint32_t>(kTrialSeconds / std::max(request, 1e-6)), 1U, most);
  return load;
}

bool HoldsFor(const PlanOptions& options, const Summary& s) {
  // Of a trace nine of ten requests must keep to both limits at once.
  if (!options.trace.empty() && s.within < 0.9) return false;
  return Holds(options.goal, s.figures);
}

const Summary& Known(const Tried& t) { return t.measured ? *t.measured : t.predicted; }

// Of a trace every choice that keeps up has the same tokens a second: then the one whose requests wait least.
bool BetterTried(const PlanOptions& options, const Tried& a, const Tried& b) {
  const bool ha = HoldsFor(options, Known(a));
  const bool hb = HoldsFor(options, Known(b));
  if (ha != hb) return ha;
  if (!options.trace.empty()) {
    const Figures& fa = Known(a).figures;
    const Figures& fb = Known(b).figures;
    if (fa.throughput < 0.99 * fb.throughput || fb.throughput < 0.99 * fa.throughput)
      return fa.throughput > fb.throughput;
    if (fa.loss != fb.loss && fa.loss && fb.loss) return *fa.loss < *fb.loss;
    if (fa.ttft < 0.99 * fb.ttft || fb.ttft < 0.99 * fa.ttft) return fa.ttft < fb.ttft;
    return fa.memory < fb.memory;
  }
  return Better(Known(a).figures, Known(b).figures);
}

// Those to be run: the best, then for each knob the best one with another value there, then the next best.
std::vector<size_t> ToRun(const std::vector<Tried>& sorted, uint32_t count) {
  std::vector<size_t> run;
  const auto add = [&](size_t i) {
    if (run.size() < count && std::ranges::find(run, i) == run.end()) run.push_back(i);
  };
  if (sorted.empty()) return run;
  add(0);
  const Choice& best = sorted[0].choice;
  const auto other = [&](auto differs) {
    for (size_t i = 1; i < sorted.size(); ++i) {
      if (differs(sorted[i].choice)) return add(i);
    }
  };
  other([&](const Choice& c) { return c.weights != best.weights; });
  other([&](const Choice& c) { return c.kv != best.kv; });
  other([&](const Choice& c) { return c.sequences != best.sequences; });
  other([&](const Choice& c) { return c.rows != best.rows; });
  other([&](const Choice& c) { return c.threads != best.threads; });
  for (size_t i = 1; i < sorted.size(); ++i) add(i);
  return run;
}

double Off(const Tried& t) {
  const Figures& p = t.predicted.figures;
  const Figures& m = t.measured->figures;
  double off = 0;
  for (const auto& [a, b] :
       {std::pair{p.ttft, m.ttft}, {p.tpot, m.tpot}, {p.throughput, m.throughput}}) {
    if (b > 0) off = std::max(off, std::fabs(a / b - 1));
  }
  return off;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 1;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Maker {
 public:
  Maker(std::vector<Pricing>& pricings, const PlanOptions& options, Trials* trials,
        Progress* progress, const CancelToken* cancel)
      : pricings_(pricings),
        options_(options),
        trials_(trials),
        progress_(progress),
        cancel_(cancel) {}

  Result<Plan> Make() {
    plan_.goal = options_.goal;
    plan_.arrivals = static_cast<uint32_t>(options_.trace.size());
    for (plan_.rounds = 1;; ++plan_.rounds) {
      all_ = EstimateAll(pricings_, options_.grid, options_.goal);
      plan_.looked_at = static_cast<uint32_t>(all_.size());
      WRING_TRY(ReplayBest());
      if (plan_.tried.empty()) {
        plan_.why = WhyNone(all_, options_.goal);
        return std::move(plan_);
      }
      if (trials_ == nullptr || options_.trials == 0 || !options_.trace.empty()) break;
      WRING_ASSIGN(const bool good, RunBest());
      if (good || plan_.rounds == kRounds) break;
    }
    Finish();
    return std::move(plan_);
  }

 private:
  void Report(std::string_view what, uint64_t done, uint64_t all) {
    if (progress_ != nullptr) progress_->Report(what, done, all);
  }

  // The best by the estimate, which is of the mean where limits are of nine in ten, and leaves bursts out: what is a little
  // over a limit of time may hold, and the replay tells.
  Status ReplayBest() {
    Goal loose = options_.goal;
    loose.ttft *= 1.25;
    loose.tpot *= 1.25;
    plan_.tried.clear();
    std::vector<const Ranked*> chosen;
    if (!options_.trace.empty())
      loose.ttft = loose.tpot = 0;  // arrivals decide that, not the estimate
    // Choices that differ in little give the same: some of each number of sequences are looked at.
    std::map<uint32_t, uint32_t> of_sequences;
    for (const Ranked& r : all_) {
      if (chosen.size() >= options_.replays) break;
      if (!Holds(loose, r.figures)) continue;
      if (++of_sequences[r.choice.sequences] > std::max(4U, options_.replays / 4)) continue;
      chosen.push_back(&r);
    }
    for (size_t i = 0; i < chosen.size(); ++i) {
      Report("replaying", i, chosen.size());
      const Ranked& r = *chosen[i];
      WRING_ASSIGN(const Summary s, Replay(PricingOf(pricings_, r.choice), r.choice, options_.goal,
                                           LoadFor(options_, r.choice, r.figures), cancel_));
      plan_.tried.push_back({r.choice, s, KnownRun(r.choice)});
      ++plan_.replayed;
    }
    Sort();
    return {};
  }
  void Sort() {
    std::stable_sort(plan_.tried.begin(), plan_.tried.end(),
                     [&](const Tried& a, const Tried& b) { return BetterTried(options_, a, b); });
  }
  std::optional<Summary> KnownRun(const Choice& c) const {
    for (const auto& [choice, summary] : runs_) {
      if (choice == c) return summary;
    }
    return std::nullopt;
  }

  // Whether the prices were right for what was run.
  Result<bool> RunBest() {
    const std::vector<size_t> run = ToRun(plan_.tried, options_.trials);
    std::vector<double> decode;
    std::vector<double> prompt;
    double worst = 0;
    for (size_t i = 0; i < run.size(); ++i) {
      Tried& t = plan_.tried[run[i]];
      Report("running", i, run.size());
      if (!t.measured) {
        auto s = trials_->Run(PricingOf(pricings_, t.choice), t.choice, options_.goal,
                              LoadFor(options_, t.choice, t.predicted.figures), cancel_);
        if (!s.ok() && s.status().code() == Code::kUnsupported) {
          plan_.note = s.status().message();
          continue;
        }
        WRING_TRY(s.status());
        runs_.emplace_back(t.choice, *s);
        t.measured = *std::move(s);
        ++plan_.run;
      }
      worst = std::max(worst, Off(t));
      const StepTimes& p = t.predicted.steps;
      const StepTimes& m = t.measured->steps;
      if (p.decode() > 0 && m.decode() > 0) decode.push_back(m.decode() / p.decode());
      if (p.prompt() > 0 && m.prompt() > 0) prompt.push_back(m.prompt() / p.prompt());
    }
    Sort();
    // The best known may now be one that was only predicted: it is run in the next round.
    const bool sure = plan_.tried[0].measured.has_value() || runs_.empty();
    if (worst <= kOff && sure) return true;
    if (worst > kOff) {
      for (Pricing& pricing : pricings_) pricing.Scale(Median(decode), Median(prompt));
      plan_.decode_scale *= Median(decode);
      plan_.prompt_scale *= Median(prompt);
    }
    return false;
  }

  void Finish() {
    // What was run goes before what was not, where anything was run.
    if (!runs_.empty()) {
      std::stable_sort(plan_.tried.begin(), plan_.tried.end(), [](const Tried& a, const Tried& b) {
        return a.measured.has_value() && !b.measured.has_value();
      });
    }
    const Tried& best = plan_.tried[0];
    plan_.found = HoldsFor(options_, Known(best));
    if (!plan_.found) {
      std::vector<Ranked> known;
      for (const Tried& t : plan_.tried) known.push_back({t.choice, Known(t).figures});
      plan_.why = options_.trace.empty()
                      ? WhyNone(known, options_.goal)
                      : fmt::format(
                            "no choice keeps nine of ten requests of the trace within the "
                            "limits: the best, {}, keeps {:.0f} % of them",
                            ChoiceText(best.choice), 100 * Known(best).within);
    }
    if (!options_.trace.empty()) return BoundOfBest();  // more tokens than arrive cannot be had
    plan_.binds = WhatBinds(all_, {best.choice, Known(best).figures}, options_.goal);
    BoundOfBest();
  }
  void BoundOfBest() { plan_.bound = BoundOf(plan_.tried[0].choice); }

  std::string BoundOf(const Choice& c) const {
    const Pricing& p = PricingOf(pricings_, c);
    const uint32_t context = options_.goal.prompt + options_.goal.output / 2;
    const auto of = [&](const analyze::Workload& work) { return p.BoundOf(c, work); };
    return fmt::format("a decode step waits for {}, a prompt for {}",
                       of(analyze::Decode(c.sequences, context)),
                       of(analyze::Prefill(1, std::min(c.rows, options_.goal.prompt))));
  }

  std::vector<Pricing>& pricings_;
  const PlanOptions& options_;
  Trials* trials_;
  Progress* progress_;
  const CancelToken* cancel_;
  Plan plan_;
  std::vector<Ranked> all_;
  std::vector<std::pair<Choice, Summary>> runs_;
};

}  // namespace

Result<Plan> MakePlan(std::vector<Pricing>& pricings, const PlanOptions& options, Trials* trials,
                      Progress* progress, const CancelToken* cancel) {
  return Maker(pricings, options, trials, progress, cancel).Make();
}

}  // namespace wring::planner
