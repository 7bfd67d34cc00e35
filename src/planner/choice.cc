#include "planner/choice.h"

#include <algorithm>

#include "base/result.h"
#include "plot/svg.h"

namespace wring::planner {

std::string_view LimitName(Limit limit) {
  constexpr std::string_view kNames[] = {"--ttft", "--tpot", "--memory", "--max-loss"};
  return kNames[static_cast<size_t>(limit)];
}

std::string LimitText(Limit limit, double value) {
  switch (limit) {
    case Limit::kTtft:
    case Limit::kTpot: return plot::SecondsText(value);
    case Limit::kMemory: return fmt::format("{:.2f} GB", value / 1e9);
    case Limit::kLoss: return fmt::format("{:.2f} %", 100 * value);
  }
  return "";
}

double LimitOf(const Goal& goal, Limit limit) {
  const double all[] = {goal.ttft, goal.tpot, goal.memory, goal.loss};
  return all[static_cast<size_t>(limit)];
}

double ValueOf(const Figures& f, Limit limit) {
  const double all[] = {f.ttft, f.tpot, f.memory, f.loss.value_or(0)};
  return all[static_cast<size_t>(limit)];
}

double Use(const Goal& goal, const Figures& figures, Limit limit) {
  const double most = LimitOf(goal, limit);
  return most > 0 ? ValueOf(figures, limit) / most : 0;
}

bool Holds(const Goal& goal, const Figures& figures) {
  for (size_t l = 0; l < kLimits; ++l) {
    if (Use(goal, figures, static_cast<Limit>(l)) > 1) return false;
  }
  return true;
}

}  // namespace wring::planner
