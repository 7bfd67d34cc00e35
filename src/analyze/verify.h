// Predicted beside measured: the engine runs a step, each of its ops is timed, and the same ops are priced.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "analyze/fit.h"
#include "analyze/this_machine.h"
#include "engine/model.h"

namespace wring::analyze {

// One op of a step and what it took in one of its layers.
struct TimedOp {
  OpCost op;
  double seconds = 0;
  touched::Bytes touched{};  // in a build that counts them
};

// What is timed: weights that lie on a device, and what makes the executor over them.
struct Timing {
  const ModelSpec& spec;
  const Matrices& matrices;
  Device& device;
  std::function<Result<std::unique_ptr<Executor>>(const KvLayouts&, PagePool&,
                                                  const ExecutorOptions&)>
      make;
};

// Runs the step that `work` is; medians of `repeat` runs after a first one (0, on a processor and without `whole`: of a single
// run). On a processor every op by itself; on a GPU its launches, those that are alike in all layers as one, without those
// that no price is of. `whole`, where it is given, gets the seconds of the step run as the engine runs it; `then` is called
// after that.
Result<std::vector<TimedOp>> TimeOps(const Timing& timing, const Workload& work,
                                     const CostOptions& options, int repeat,
                                     double* whole = nullptr,
                                     const std::function<void()>& then = {});
Result<std::vector<TimedOp>> TimeOps(Model& model, const Workload& work, const CostOptions& options,
                                     int repeat, double* whole = nullptr,
                                     const std::function<void()>& then = {});

// The same on a processor, with how fast it was before, after, and between `whole` and the ops: at most `tries` times while
// that differs, and of these the times in which it differs least. `whole`: the whole step as well.
struct SteadyTimes {
  std::vector<TimedOp> ops;
  double whole = 0;
  std::vector<Speed> speeds;
};
Result<SteadyTimes> TimeSteadily(Model& model, const SpeedMeter& meter, const Workload& work,
                                 const CostOptions& options, int repeat, int tries, bool whole);

// A GPU times an op alone, over all layers again and again: products of weights in fewer bytes come from its second-level
// cache, as they do in no step, so their times say nothing of memory.
inline bool HeldByCaches(const OpCost& op) {
  constexpr double kBytes = 60e6;
  return IsProduct(op.unit) && op.layers * op.cost.weights < kBytes;
}

// A line of the comparison: one op of one step, all its layers.
struct Compared {
  std::string phase, op;
  Unit unit = Unit::kVector;
  uint32_t layers = 0;
  bool held = false;                                 // HeldByCaches()
  double predicted = 0, roofline = 0, measured = 0;  // seconds
  double error() const { return predicted / measured - 1; }
};
struct Verification {
  std::vector<Compared> ops;
  std::vector<Compared> phases;  // whole steps
};
// `whole`: seconds of the step.
void Compare(const Workload& work, const std::vector<TimedOp>& timed, double whole,
             const Hardware& hardware, Verification* v);

// Over lines whose ops are of these units: the least-squares line of ln(predicted) on ln(measured), and errors.
struct Agreement {
  size_t lines = 0;
  double slope = 0, r2 = 0;
  double mape = 0, p90 = 0;
  double plain_mape = 0;  // of the plain roofline
  double rank = 0;        // Spearman's correlation of predicted and measured
};
Agreement AgreementOf(const std::vector<Compared>& lines, const std::vector<Unit>& units);

std::string VerificationText(const Verification& v);
// A line an op and step, then one a whole step: for counts and errors over several models and numbers of threads.
std::string VerificationCsv(const Verification& v);

// This machine with constants fitted on the engine's own ops over random weights: some formats, 1 to 512 rows, attention at
// several depths. Takes about a minute. kLimit where there is no memory for it.
Result<Hardware> Calibrate(uint32_t threads, Progress* progress);

// A GPU whose constants are fitted; its rate of float16 products is that of the fastest one where it is not known.
Hardware FitGpu(Hardware gpu, const std::vector<TimedOp>& timed);

}  // namespace wring::analyze
