#include "speech/render/image_source.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace wring::speech {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kMaxCrossover = 0.1;  // seconds
constexpr double kMaxImages = 1e6;     // tiny rooms cross over earlier
constexpr double kBin = 0.0005;        // seconds, of the energies that T60 is sought on
constexpr size_t kMeasured = 4;        // microphones that T60 is sought at
constexpr double kMaxError = 0.1;      // of the T60 that the sought coefficient gives
// Walls that keep less than 30 % of the amplitude leave single echoes, whose decay is a matter of
// where one stands.
constexpr double kLeastReflection = 0.3, kMostReflection = 0.9999;

// 2 k L + s met both walls |k| times, 2 k L - s the near one |k - 1| and the far one |k| times.
std::vector<AxisImage> AxisImages(double length, double source, double centre, double radius) {
  std::vector<AxisImage> images;
  const int most = static_cast<int>(std::ceil((radius + length) / (2 * length))) + 1;
  for (int k = -most; k <= most; ++k) {
    images.push_back({2 * k * length + source, std::abs(k), std::abs(k)});
    images.push_back({2 * k * length - source, std::abs(k - 1), std::abs(k)});
  }
  std::erase_if(images, [&](const AxisImage& i) { return std::abs(i.at - centre) >= radius; });
  return images;
}

// At the midpoints of equal parts of an octant of the sphere; the others are its mirrors.
std::vector<double> DecayRates(const Point& size, const Walls& beta) {
  constexpr size_t kParts = 10;
  std::vector<double> rates;
  for (size_t i = 0; i < kParts; ++i) {
    for (size_t j = 0; j < kParts; ++j) {
      const double z = (static_cast<double>(i) + 0.5) / kParts;
      const double turn = (static_cast<double>(j) + 0.5) / kParts * kPi / 2;
      const double flat = std::sqrt(1 - z * z);
      rates.push_back(DecayRate(size, beta, {flat * std::cos(turn), flat * std::sin(turn), z}));
    }
  }
  return rates;
}

// Energies of a room's images by time and number of reflections, from which T60 follows for any
// coefficient.
class Energies {
 public:
  explicit Energies(const Room& room, double seconds) : size_(room.size) {
    const Images images(room);
    const auto microphones =
        std::span(room.microphones).first(std::min(room.microphones.size(), kMeasured));
    double off_centre = 0;
    for (const Point& m : microphones)
      off_centre = std::max(off_centre, Distance(m, images.centre));
    images.ForEach([&](size_t x, size_t y, size_t z) {
      orders_ = std::max(orders_, images.Order(x, y, z) + 1);
    });
    crossover_ = BinOf(images.radius);
    image_bins_ = BinOf(images.radius + off_centre) + 2;
    // At twice the T60 what is left is 120 dB down, or told by the rest.
    bins_ = std::max(image_bins_, crossover_ + static_cast<size_t>(2 * seconds / kBin));
    for (const Point& m : microphones) {
      std::vector<double> energies(image_bins_ * orders_);
      images.ForEach([&](size_t x, size_t y, size_t z) {
        const double d = Distance(images.At(x, y, z), m);
        energies[BinOf(d) * orders_ + images.Order(x, y, z)] += 1 / (16 * kPi * kPi * d * d);
      });
      by_order_.push_back(std::move(energies));
    }
  }

  double T60(double beta) const {
    double rest = 0, sum = 0;
    const std::vector<double> tail = Tail(beta, &rest);
    std::vector<double> powers(orders_, 1);
    for (size_t i = 1; i < orders_; ++i) powers[i] = powers[i - 1] * beta * beta;
    for (const auto& by_order : by_order_) {
      std::vector<double> energies = tail;
      for (size_t bin = 0; bin < image_bins_; ++bin) {
        for (size_t order = 0; order < orders_; ++order)
          energies[bin] += powers[order] * by_order[bin * orders_ + order];
      }
      sum += FitDecay(energies, rest, kBin);
    }
    return sum / static_cast<double>(by_order_.size());
  }

 private:
  static size_t BinOf(double distance) {
    return static_cast<size_t>(distance / kSpeedOfSound / kBin);
  }

  std::vector<double> Tail(double beta, double* rest) const {
    Walls walls;
    walls.fill(beta);
    const auto rates = DecayRates(size_, walls);
    std::vector<double> tail(bins_);
    for (const double rate : rates) {
      const double ratio = std::exp(rate * kBin);
      double energy = TailPower(size_) * kBin / static_cast<double>(rates.size()) *
                      std::exp(rate * kBin * (static_cast<double>(crossover_) + 0.5));
      for (size_t bin = crossover_; bin < bins_; ++bin, energy *= ratio) tail[bin] += energy;
      *rest += energy / (1 - ratio);
    }
    return tail;
  }

  Point size_;
  size_t orders_ = 1, crossover_ = 0, image_bins_ = 0, bins_ = 0;
  std::vector<std::vector<double>> by_order_;  // a microphone each: [image_bins_][orders_]
};

}  // namespace

double Distance(const Point& a, const Point& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Point CentreOf(std::span<const Point> points) {
  Point centre{};
  for (const Point& p : points) {
    for (size_t a = 0; a < 3; ++a) centre[a] += p[a] / static_cast<double>(points.size());
  }
  return centre;
}

double Crossover(const Point& size) {
  const double radius = std::cbrt(kMaxImages * Volume(size) * 3 / (4 * kPi));
  return std::min(kMaxCrossover, radius / kSpeedOfSound);
}

Images::Images(const Room& room)
    : centre(CentreOf(room.microphones)), radius(Crossover(room.size) * kSpeedOfSound) {
  for (size_t a = 0; a < 3; ++a)
    axes[a] = AxisImages(room.size[a], room.source[a], centre[a], radius);
}

double DecayRate(const Point& size, const Walls& beta, const Point& direction) {
  double rate = 0;
  for (size_t a = 0; a < 3; ++a) {
    // A path meets a wall of this axis every size / |direction| metres, both in turn. One that
    // keeps nothing counts as -120 dB.
    const double kept = std::max(beta[2 * a] * beta[2 * a + 1], 1e-12);
    rate += std::abs(direction[a]) / size[a] * std::log(kept);
  }
  return rate * kSpeedOfSound;
}

// 4 pi c^3 t^2 / V images a second, each of energy 1 / (4 pi c t)^2.
double TailPower(const Point& size) { return kSpeedOfSound / (4 * kPi * Volume(size)); }

double TailSeconds(const Point& size, const Walls& beta) {
  constexpr double kStep = 0.01, kMost = 20;
  const auto rates = DecayRates(size, beta);
  const auto left = [&](double t) {
    double sum = 0;
    for (const double r : rates) sum += std::exp(r * t) / std::max(-r, 1e-3);
    return sum;
  };
  const double all = left(0);
  double t = kStep;
  while (t < kMost && left(t) > 1e-6 * all) t += kStep;
  return t;
}

double FitDecay(std::span<const double> energies, double rest, double step) {
  double total = rest;
  for (size_t i = energies.size(); i-- > 0;) total += energies[i];
  if (!(total > 0)) return 0;
  const double from = total * std::pow(10, -0.5), to = total * std::pow(10, -3.5);
  double left = total, n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = 0; i < energies.size() && left >= to; ++i) {
    if (left <= from) {
      const double x = static_cast<double>(i), y = 10 * std::log10(left / total);
      n += 1;
      sx += x;
      sy += y;
      sxx += x * x;
      sxy += x * y;
    }
    left -= energies[i];
  }
  if (n < 2) return 0;
  const double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  return slope < 0 ? -60 / slope * step : 0;
}

// Where many paths overlap T60 rises with the coefficient and bisection meets it. Where the walls
// keep little it jumps as single echoes enter and leave the levels that are measured; then the
// nearest of a grid is taken.
Result<double> SeekReflection(const Room& room, double t60) {
  const Energies energies(room, t60);
  double best = 0, best_error = INFINITY, best_t60 = 0;
  const auto measure = [&](double beta) {
    const double t = energies.T60(beta);
    const double error = std::abs(t / t60 - 1);
    if (error < best_error) {
      best = beta;
      best_error = error;
      best_t60 = t;
    }
    return t;
  };
  double low = kLeastReflection, high = kMostReflection;
  double beta = std::clamp(std::sqrt(1 - EyringAbsorption(room.size, t60)), low, high);
  for (int i = 0; i < 24 && best_error > 0.002; ++i) {
    (measure(beta) < t60 ? low : high) = beta;
    beta = (low + high) / 2;
  }
  if (best_error > kMaxError) {
    for (beta = kLeastReflection; beta < 0.7; beta += 0.01) measure(beta);
  }
  if (best_error <= kMaxError) return best;
  return Error(Code::kUnsupported,
               "a room of {:.1f} x {:.1f} x {:.1f} m cannot have a T60 of {:.3f} s with walls that "
               "absorb between 0 and 91 %: the nearest it has is {:.3f} s; ask for more, or for a "
               "smaller room",
               room.size[0], room.size[1], room.size[2], t60, best_t60);
}

}  // namespace wring::speech
