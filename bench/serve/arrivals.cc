#include "serve/arrivals.h"

#include <cmath>
#include <numbers>

#include "serve/random.h"

namespace wring::load {
namespace {

// A gamma variate of mean `shape`, by Marsaglia and Tsang 2000. The standard library's distributions
// differ between libraries; this one is the same everywhere.
double Gamma(double shape, uint64_t seed, uint64_t index) {
  const double raised = shape < 1 ? shape + 1 : shape;
  const double d = raised - 1.0 / 3.0;
  const double c = 1 / std::sqrt(9 * d);
  for (uint32_t n = 0;; ++n) {
    const auto words = Words(seed, Stream::kArrival, index, n);
    const double normal =
        std::sqrt(-2 * std::log(Unit(words[0]))) * std::cos(2 * std::numbers::pi * Unit(words[1]));
    const double v = std::pow(1 + c * normal, 3);
    if (v <= 0) continue;
    if (std::log(Unit(words[2])) >= normal * normal / 2 + d - d * v + d * std::log(v)) continue;
    return shape < 1 ? d * v * std::pow(Unit(words[3]), 1 / shape) : d * v;
  }
}

}  // namespace

std::vector<double> Arrivals(uint64_t count, double rate, double burstiness, uint64_t seed) {
  std::vector<double> times(count);
  double at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    at += burstiness == 1 ? -std::log(Unit(Words(seed, Stream::kArrival, i, 0)[0]))
                          : Gamma(burstiness, seed, i);
    times[i] = at;
  }
  const double stretch = at > 0 ? static_cast<double>(count) / rate / at : 0;
  for (double& time : times) time *= stretch;
  return times;
}

}  // namespace wring::load
