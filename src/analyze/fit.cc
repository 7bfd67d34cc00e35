#include "analyze/fit.h"

#include <algorithm>
#include <cmath>

namespace wring::analyze {
namespace {

double Loss(const std::vector<Measured>& measured, const Constants& c) {
  double sum = 0;
  for (const Measured& m : measured) sum += std::fabs(std::log(PredictedSeconds(m, c) / m.seconds));
  return sum;
}

}  // namespace

double PredictedSeconds(const Measured& m, const Constants& c) {
  const double rounded = m.rows == 0 ? 1
                                     : static_cast<double>(RoundUp<uint64_t>(m.rows, c.tile)) /
                                           static_cast<double>(m.rows);
  return std::max(m.memory / c.memory, m.compute * rounded / c.compute) + c.start;
}

Constants FitConstants(const std::vector<Measured>& measured) {
  std::vector<double> times;
  for (const Measured& m : measured) times.push_back(m.seconds);
  const double least = times.empty() ? 0 : *std::min_element(times.begin(), times.end());
  Constants best;
  double lowest = Loss(measured, best);
  const auto consider = [&](const Constants& c) {
    if (!(c.compute > 0.02) || !(c.memory > 0.02) || c.compute > 1.05 || c.memory > 1.3 ||
        c.start < 0)
      return;
    const double loss = Loss(measured, c);
    if (loss < lowest) {
      lowest = loss;
      best = c;
    }
  };
  for (const uint32_t tile : {1U, 4U, 8U, 12U, 16U, 32U, 64U, 128U, 256U}) {
    for (double compute = 0.1; compute <= 1.001; compute += 0.1) {
      for (double memory = 0.1; memory <= 1.201; memory += 0.1) {
        for (double start = 0; start <= 1.001; start += 0.125)
          consider({compute, memory, start * least, tile});
      }
    }
  }
  for (double step = 0.05; step > 0.004; step /= 2) {
    for (int round = 0; round < 3; ++round) {
      const Constants at = best;
      for (int i = -1; i <= 1; ++i) {
        for (int j = -1; j <= 1; ++j) {
          for (int k = -1; k <= 1; ++k)
            consider({at.compute + i * step, at.memory + j * step, at.start + k * step * least,
                      at.tile});
        }
      }
    }
  }
  return best;
}

FitError ErrorOf(const std::vector<Measured>& measured, const Constants& c) {
  std::vector<double> errors;
  FitError e;
  for (const Measured& m : measured) {
    errors.push_back(std::fabs(PredictedSeconds(m, c) / m.seconds - 1));
    e.mape += errors.back() / static_cast<double>(measured.size());
  }
  if (errors.empty()) return e;
  std::sort(errors.begin(), errors.end());
  e.median = errors[errors.size() / 2];
  e.p90 = errors[errors.size() * 9 / 10];
  return e;
}

}  // namespace wring::analyze
