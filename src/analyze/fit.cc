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

// One constant that is looked for, between bounds; its steps are factors.
struct Knob {
  double Constants::*value;
  double least, most;
};

// Improves one constant after the other by smaller and smaller factors, from several beginnings.
class Search {
 public:
  // Beyond the roof, since what is small stays in a cache that the roof was not measured in.
  explicit Search(const std::vector<Measured>& measured)
      : measured_(measured),
        knobs_{{&Constants::compute, 0.01, 1.05}, {&Constants::memory, 0.02, 8}} {
    Add(&Constants::start, [](const Measured& m) { return m.apart; });
    Add(&Constants::beside, [](const Measured& m) { return m.beside * m.apart; });
    Add(&Constants::unpack, [](const Measured& m) { return m.unpacked; });
    Add(&Constants::expand, [](const Measured& m) { return m.expanded; });
    Add(&Constants::meet, [](const Measured& m) { return m.meetings * m.apart; });
  }

  Constants Run(uint32_t tile, double* loss) const {
    Constants best;
    *loss = -1;
    for (const double compute : {0.3, 0.8}) {
      for (const double memory : {0.5, 1.0}) {
        for (const double share : {0.02, 0.3}) {
          Constants c;
          c.tile = tile;
          for (const Knob& k : knobs_) c.*k.value = share * k.most;
          c.compute = compute;
          c.memory = memory;
          const double l = Descend(&c);
          if (*loss >= 0 && l >= *loss) continue;
          *loss = l;
          best = c;
        }
      }
    }
    return best;
  }

 private:
  // A constant for what `amount` says of each; the most is where that alone takes as long as what took longest for it.
  template <typename Amount>
  void Add(double Constants::*value, const Amount& amount) {
    std::vector<double> rates;
    for (const Measured& m : measured_) {
      if (amount(m) > 0) rates.push_back(m.seconds / amount(m));
    }
    if (rates.empty()) return;
    const auto middle = rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2);
    std::nth_element(rates.begin(), middle, rates.end());
    knobs_.push_back({value, *middle * 1e-6, *middle});
  }
  // One knob or two at once: a sum of absolute values has edges along which only two together go down.
  double Descend(Constants* c) const {
    double loss = Loss(measured_, *c);
    const auto turned = [](Constants at, const Knob& k, double f) {
      at.*k.value = std::clamp(at.*k.value * f, k.least, k.most);
      return at;
    };
    for (double factor = 2; factor > 1.002;) {
      bool better = false;
      const auto consider = [&](const Constants& next) {
        const double l = Loss(measured_, next);
        if (l >= loss) return;
        loss = l;
        *c = next;
        better = true;
      };
      for (size_t i = 0; i < knobs_.size(); ++i) {
        for (const double f : {factor, 1 / factor}) {
          consider(turned(*c, knobs_[i], f));
          for (size_t j = 0; j < i; ++j) {
            for (const double g : {factor, 1 / factor})
              consider(turned(turned(*c, knobs_[i], f), knobs_[j], g));
          }
        }
      }
      if (!better) factor = std::sqrt(factor);
    }
    return loss;
  }

  const std::vector<Measured>& measured_;
  std::vector<Knob> knobs_;
};

}  // namespace

Constants FitConstants(const std::vector<Measured>& measured) {
  const Search search(measured);
  const bool products =
      std::any_of(measured.begin(), measured.end(), [](const Measured& m) { return m.rows > 0; });
  Constants best;
  double lowest = -1;
  for (const uint32_t tile : {1U, 4U, 8U, 12U, 16U, 32U, 64U, 128U, 256U}) {
    if (tile > 1 && !products) break;
    double loss = 0;
    const Constants c = search.Run(tile, &loss);
    if (lowest >= 0 && loss >= lowest) continue;
    lowest = loss;
    best = c;
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
