#include "speech/audio/loudness.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace wring::speech {
namespace {

constexpr double kSilence = -std::numeric_limits<double>::infinity();

double SumOfSquares(std::span<const float> samples) {
  double sum = 0;
  for (const float s : samples) sum += static_cast<double>(s) * static_cast<double>(s);
  return sum;
}

}  // namespace

double ActiveLevelDb(std::span<const float> samples, uint32_t rate) {
  struct Frame {
    double energy;
    size_t size;
  };
  const size_t length = std::max<size_t>(rate / 50, 1);
  std::vector<Frame> frames;
  for (size_t start = 0; start < samples.size(); start += length) {
    const auto part = samples.subspan(start, std::min(length, samples.size() - start));
    frames.push_back({SumOfSquares(part), part.size()});
  }
  const double margin = std::pow(10, -1.59);
  // Each round drops what lies below the gate of the round before, so the mean only rises and the
  // rounds end.
  double power = 0;
  for (size_t kept = 0;;) {
    double energy = 0;
    size_t active = 0, size = 0;
    for (const Frame& f : frames) {
      if (f.energy < margin * power * static_cast<double>(f.size)) continue;
      energy += f.energy;
      size += f.size;
      ++active;
    }
    if (energy == 0) return kSilence;
    power = energy / static_cast<double>(size);
    if (active == kept) return 10 * std::log10(power);
    kept = active;
  }
}

// Both sections as analogue prototypes, re-derived from the 48 kHz coefficients by inverting the
// bilinear transform: a shelf of +4 dB about 1,682 Hz and a high-pass at 38 Hz. The standard leaves
// the numerator of the latter at 1, -2, 1, and so do other meters at every rate: 0.04 dB above a
// normalised one at 48 kHz, 0.24 dB at 8 kHz, where it makes up for what the transform squeezes off
// the shelf at 997 Hz.
std::vector<Biquad> KWeighting(uint32_t rate) {
  std::vector<Biquad> sections(2);
  {
    const double k = std::tan(std::numbers::pi * 1681.974450955533 / rate);
    const double q = 0.7071752369554196;
    const double high = std::pow(10, 3.999843853973347 / 20);
    const double band = std::pow(high, 0.4996667741545416);
    const double norm = 1 / (1 + k / q + k * k);
    sections[0] = {(high + band * k / q + k * k) * norm, 2 * (k * k - high) * norm,
                   (high - band * k / q + k * k) * norm, 2 * (k * k - 1) * norm,
                   (1 - k / q + k * k) * norm};
  }
  sections[1] = HighPass(38.13547087602444, rate, 0.5003270373238773);
  sections[1].b0 = 1;
  sections[1].b1 = -2;
  sections[1].b2 = 1;
  return sections;
}

double IntegratedLoudness(std::span<const float> samples, uint32_t rate) {
  if (samples.empty() || rate == 0) return kSilence;
  const auto sections = KWeighting(rate);
  BiquadFilter shelf(sections[0]), high_pass(sections[1]);
  // Energies of steps of 100 ms, to rounding; four of them make a block. What is left over at the
  // end is no block.
  const size_t step = std::max<size_t>((rate + 5) / 10, 1);
  std::vector<double> steps;
  double energy = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double y = high_pass.Next(shelf.Next(static_cast<double>(samples[i])));
    energy += y * y;
    if ((i + 1) % step != 0) continue;
    steps.push_back(energy);
    energy = 0;
  }
  std::vector<double> blocks;  // mean squares
  if (samples.size() < 4 * step) {
    for (const double e : steps) energy += e;
    blocks.push_back(energy / static_cast<double>(samples.size()));
  }
  for (size_t i = 0; i + 4 <= steps.size(); ++i) {
    blocks.push_back((steps[i] + steps[i + 1] + steps[i + 2] + steps[i + 3]) /
                     static_cast<double>(4 * step));
  }
  const auto loudness = [](double power) { return -0.691 + 10 * std::log10(power); };
  const auto mean_above = [&](double gate) {
    double sum = 0, count = 0;
    for (const double power : blocks) {
      if (power <= 0 || loudness(power) <= gate) continue;
      sum += power;
      ++count;
    }
    return count == 0 ? 0.0 : sum / count;
  };
  const double ungated = mean_above(-70);
  if (ungated == 0) return kSilence;
  return loudness(mean_above(std::max(-70.0, loudness(ungated) - 10)));
}

void TelephoneBand(std::span<float> samples, uint32_t rate) {
  for (const double q : kButterworth4) {
    BiquadFilter(HighPass(300, rate, q)).Apply(samples);
    if (rate > 2 * 3400) BiquadFilter(LowPass(3400, rate, q)).Apply(samples);
  }
}

}  // namespace wring::speech
