// A model on a machine, priced for planning: what a step of given lengths takes, what a choice needs of memory and quality,
// and a first estimate of how a choice serves. The replay (replay.h) is exacter and slower.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analyze/cost.h"
#include "analyze/hardware.h"
#include "analyze/subject.h"
#include "planner/choice.h"

namespace wring::planner {

using analyze::Subject;

class Pricing {
 public:
  Pricing(const Subject& subject, const analyze::Hardware& hardware);

  // Whether every matrix can be in the format.
  bool Fits(const WeightFormat& format) const;
  // Seconds of a step.
  double Step(const Choice& choice, const analyze::Workload& work) const;
  // What most of a step's time waits for: "memory", "compute" or "start".
  std::string_view BoundOf(const Choice& choice, const analyze::Workload& work) const;
  // Of weights, cache, activations and logits, bytes.
  double Memory(const Choice& choice, const Goal& goal) const;
  uint64_t PoolBytes(const Choice& choice, const Goal& goal) const;
  // By the table, weights and cache together; nothing when one of them is not in it. The file's own formats count by their
  // shares of the weights.
  std::optional<double> LossOf(const Choice& choice) const;
  // A closed loop of so many clients as the choice has sequences.
  Figures Estimate(const Choice& choice, const Goal& goal) const;

  const Subject& subject() const { return subject_; }
  const analyze::Hardware& hardware() const { return hardware_; }
  bool gpu() const { return gpu_; }
  // Steps that only decode, and others, take so many times what was predicted.
  void Scale(double decode, double prompt);

 private:
  std::vector<analyze::OpCost> Ops(const Choice& choice, const analyze::Workload& work) const;
  const analyze::Matrices& MatricesOf(const Choice& choice) const;

  const Subject& subject_;
  const analyze::Hardware& hardware_;
  const bool gpu_;
  double decode_ = 1, prompt_ = 1;
  mutable std::map<const WeightFormat*, std::unique_ptr<analyze::Matrices>> matrices_;
};

// That of the choice's threads.
const Pricing& PricingOf(const std::vector<Pricing>& pricings, const Choice& choice);

}  // namespace wring::planner
