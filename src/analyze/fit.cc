#include "analyze/fit.h"

#include <algorithm>
#include <cmath>

namespace wring::analyze {
namespace {

double Loss(const std::vector<Measured>& measured, const Constants& c) {
  double sum = 0;
  for (const Measured& m : measured) sum += std::fabs(std::log(SecondsOf(m, c) / m.seconds));
  return sum;
}

// Looks for the best constants of one tile: a grid of everything but `prepare` first, then what stands around the best of it,
// by smaller and smaller steps.
class Search {
 public:
  Search(const std::vector<Measured>& measured, uint32_t tile) : measured_(measured) {
    double longest = 0;
    double elements = 0;  // of the largest input
    for (const Measured& m : measured) {
      least_ = least_ == 0 ? m.seconds : std::min(least_, m.seconds);
      longest = std::max(longest, m.seconds);
      elements = std::max(elements, m.prepared);
    }
    most_ = elements > 0 ? longest / elements : 0;
    best_.tile = tile;
    loss_ = Loss(measured_, best_);
  }
  void Run() {
    const uint32_t tile = best_.tile;
    for (double compute = 0.1; compute <= 1.001; compute += 0.1) {
      for (double memory = 0.1; memory <= 1.201; memory += 0.1) {
        for (double start = 0; start <= 1.001; start += 0.125)
          Consider({compute, memory, start * least_, 0, tile});
      }
    }
    for (double step = 0.1; step > 0.001; step /= 1.6) {
      for (int round = 0; round < 3; ++round) Around(step);
    }
  }
  const Constants& best() const { return best_; }
  double loss() const { return loss_; }

 private:
  void Around(double step) {
    const Constants at = best_;
    const int ways = most_ > 0 ? 1 : 0;
    for (int i = -1; i <= 1; ++i) {
      for (int j = -1; j <= 1; ++j) {
        for (int k = -1; k <= 1; ++k) {
          for (int l = -ways; l <= ways; ++l) {
            Consider({at.compute + i * step, at.memory + j * step, at.start + k * step * least_,
                      at.prepare + l * step * most_, at.tile});
          }
        }
      }
    }
  }
  void Consider(const Constants& c) {
    if (!(c.compute > 0.02) || !(c.memory > 0.02) || c.compute > 1.05 || c.memory > 1.3 ||
        c.start < 0 || c.prepare < 0)
      return;
    const double loss = Loss(measured_, c);
    if (loss >= loss_) return;
    loss_ = loss;
    best_ = c;
  }

  const std::vector<Measured>& measured_;
  double least_ = 0;  // the shortest time
  double most_ = 0;   // seconds an element, at most
  Constants best_;
  double loss_ = 0;
};

}  // namespace

Constants FitConstants(const std::vector<Measured>& measured) {
  Constants best;
  double lowest = -1;
  for (const uint32_t tile : {1U, 4U, 8U, 12U, 16U, 32U, 64U, 128U, 256U}) {
    Search search(measured, tile);
    search.Run();
    if (lowest >= 0 && search.loss() >= lowest) continue;
    lowest = search.loss();
    best = search.best();
  }
  return best;
}

FitError ErrorOf(const std::vector<Measured>& measured, const Constants& c) {
  std::vector<double> errors;
  FitError e;
  for (const Measured& m : measured) {
    errors.push_back(std::fabs(SecondsOf(m, c) / m.seconds - 1));
    e.mape += errors.back() / static_cast<double>(measured.size());
  }
  if (errors.empty()) return e;
  std::sort(errors.begin(), errors.end());
  e.median = errors[errors.size() / 2];
  e.p90 = errors[errors.size() * 9 / 10];
  return e;
}

}  // namespace wring::analyze
