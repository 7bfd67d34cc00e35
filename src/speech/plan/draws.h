// Random draws of a simulation. A stream is named by (seed, session, purpose, attempt) and by nothing else, so a
// session comes out the same whatever else is made, in whatever order, by however many threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/rng.h"

namespace wring::speech {

enum class Purpose : uint32_t {
  kSpeakers = 1,
  kTargets,
  kTurns,
  kContent,
  kLevels,
  kRoom,
  kNoise,
  kOrder,  // of speakers over sessions
  kWords,  // of speakers that are made up
  kDither,
};

class Draws {
 public:
  Draws(uint64_t seed, uint32_t session, Purpose purpose, uint32_t attempt = 0)
      : seed_(seed), session_(session), stream_(static_cast<uint32_t>(purpose) << 16 | attempt) {}

  // In (0, 1), never 0 or 1.
  double Uniform() {
    if (used_ == 4) {
      words_ = Philox({session_, stream_, next_++, 0x53504B52U}, seed_);
      used_ = 0;
    }
    return UniformFrom(words_[used_++]);
  }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // In [0, count); count > 0.
  uint32_t Below(uint32_t count) {
    return static_cast<uint32_t>(Uniform() * static_cast<double>(count));
  }
  // Box and Muller.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }
  // Of this mean and standard deviation; Marsaglia and Tsang 2000 for shape >= 1, Johnk's power for less.
  double Gamma(double mean, double deviation) {
    if (deviation <= 0 || mean <= 0) return mean;
    const double shape = mean * mean / (deviation * deviation);
    return GammaOfShape(shape) * mean / shape;
  }
  // Of this mean and variance; needs variance < mean (1 - mean).
  double Beta(double mean, double variance) {
    if (variance <= 0) return mean;
    const double scale = mean * (1 - mean) / variance - 1;
    const double a = GammaOfShape(mean * scale), b = GammaOfShape((1 - mean) * scale);
    return a + b > 0 ? a / (a + b) : mean;
  }
  // Failures before `k` successes of probability `p`, k any positive number: Poisson of a Gamma.
  uint32_t NegativeBinomial(double k, double p) { return Poisson(GammaOfShape(k) * (1 - p) / p); }

 private:
  double GammaOfShape(double shape) {
    if (shape < 1) {
      const double u = Uniform();
      return GammaOfShape(shape + 1) * std::pow(u, 1 / shape);
    }
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = Normal();
      const double v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
  }
  // Exponential steps: means are of tens here.
  uint32_t Poisson(double mean) {
    uint32_t n = 0;
    for (double t = -std::log(Uniform()); t < mean && n < 100000; t -= std::log(Uniform())) ++n;
    return n;
  }

  uint64_t seed_;
  uint32_t session_, stream_;
  uint32_t next_ = 0, used_ = 4;
  std::array<uint32_t, 4> words_{};
};

}  // namespace wring::speech
