// Second-order recursive filters and what is built from them. H(z) = (b0 + b1 z^-1 + b2 z^-2) / (1
// + a1 z^-1 + a2 z^-2), made by the bilinear transform with the corner frequency pre-warped, run in
// double (transposed direct form II).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>

namespace wring::speech {

struct Biquad {
  double b0 = 1, b1 = 0, b2 = 0, a1 = 0, a2 = 0;
};

// Second-order sections of corner `frequency`, which is above 0 and below rate/2; `q` is the
// quality of the pole pair.
inline Biquad HighPass(double frequency, double rate, double q) {
  const double k = std::tan(std::numbers::pi * frequency / rate);
  const double norm = 1 / (1 + k / q + k * k);
  return {norm, -2 * norm, norm, 2 * (k * k - 1) * norm, (1 - k / q + k * k) * norm};
}

inline Biquad LowPass(double frequency, double rate, double q) {
  const double k = std::tan(std::numbers::pi * frequency / rate);
  const double norm = 1 / (1 + k / q + k * k);
  const double gain = k * k * norm;
  return {gain, 2 * gain, gain, 2 * (k * k - 1) * norm, (1 - k / q + k * k) * norm};
}

// The pole pairs of Butterworth filters of order 2 and 4: 1 / (2 cos(pi (2i + 1) / (2 order))).
inline constexpr double kButterworth2 = 0.70710678118654752;
inline constexpr double kButterworth4[2] = {0.54119610014619698, 1.3065629648763766};

class BiquadFilter {
 public:
  explicit BiquadFilter(const Biquad& section) : section_(section) {}
  double Next(double x) {
    const double y = section_.b0 * x + first_;
    first_ = section_.b1 * x - section_.a1 * y + second_;
    second_ = section_.b2 * x - section_.a2 * y;
    return y;
  }
  // In place; goes on where the last call ended.
  void Apply(std::span<float> samples) {
    for (float& s : samples) s = static_cast<float>(Next(static_cast<double>(s)));
  }

 private:
  Biquad section_;
  double first_ = 0, second_ = 0;
};

// What an analogue telephone line passes, 300 to 3,400 Hz (ITU-T G.712): fourth-order Butterworth
// slopes, 3 dB down at both ends, in place. A rate that holds nothing above 3,400 Hz gets the lower
// slope only. `rate` is above 600.
void TelephoneBand(std::span<float> samples, uint32_t rate);

}  // namespace wring::speech
