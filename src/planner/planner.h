// `wring plan`: of all the ways to serve a model on a machine, the one that gives most tokens a second and keeps to the limits.
//
// Every choice is estimated by a formula (candidate.h); the best of those are replayed (replay.h); the best of these and the
// runner-up of each knob are run (trial.h), where the machine is this one. Where a run takes a time that is more than 15 % off,
// the prices are scaled by what it took, and all of it is done again, three times at most.
#pragma once

#include <string>
#include <vector>

#include "planner/search.h"
#include "planner/trial.h"

namespace wring::planner {

struct PlanOptions {
  Goal goal;
  Grid grid;
  uint32_t replays = 16;       // best choices by the estimate that are replayed
  uint32_t trials = 5;         // choices that are run in a round; 0: none
  std::vector<Arrival> trace;  // empty: a closed loop
};

struct Tried {
  Choice choice;
  Summary predicted;
  std::optional<Summary> measured;
};

struct Plan {
  Goal goal;
  std::vector<Tried> tried;  // the best first
  bool found = false;        // tried[0] holds, as measured where it was run
  std::string why;           // where nothing does: which limit fails, by how much
  std::string binds;         // what keeps from more
  std::string bound;         // of a decode step and of a prompt's, what the machine waits for
  std::string note;          // what was not run, and why
  uint32_t arrivals = 0;     // of a trace; 0: a closed loop
  uint32_t looked_at = 0, replayed = 0, run = 0, rounds = 0;
  double decode_scale = 1, prompt_scale = 1;  // of prices, fitted by the runs
};

// One pricing for each number of threads, changed by what runs took. `trials` null: nothing is run.
Result<Plan> MakePlan(std::vector<Pricing>& pricings, const PlanOptions& options, Trials* trials,
                      Progress* progress, const CancelToken* cancel);

// The command that serves so.
std::string ServeCommand(const std::string& model, const Pricing& pricing, const Choice& choice,
                         const Goal& goal);
std::string PlanText(const Plan& plan, const std::string& model,
                     const std::vector<Pricing>& pricings);
std::string PlanJson(const Plan& plan, const std::string& model,
                     const std::vector<Pricing>& pricings);

}  // namespace wring::planner
