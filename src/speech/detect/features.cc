#include "speech/detect/features.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numbers>

#include "speech/audio/fft.h"

namespace wring::speech {
namespace {

constexpr size_t kPoints = 512;
constexpr size_t kBins = kPoints / 2 + 1;

// One triangle: its weights from bin `first` on; there may be none, where it falls between two
// bins.
struct Triangle {
  size_t first = 0;
  std::vector<float> weights;
};

std::vector<Triangle> Triangles(const MelConfig& config) {
  const auto mel = [](double hz) { return 2595 * std::log10(1 + hz / 700); };
  const double low = mel(config.low), high = mel(config.high);
  std::vector<double> corners(config.bins + 2);
  for (size_t i = 0; i < corners.size(); ++i) {
    const double m =
        low + (high - low) * static_cast<double>(i) / static_cast<double>(config.bins + 1);
    corners[i] = 700 * (std::pow(10, m / 2595) - 1);
  }
  std::vector<Triangle> triangles(config.bins);
  for (size_t t = 0; t < config.bins; ++t) {
    for (size_t k = 0; k < kBins; ++k) {
      const double hz = static_cast<double>(k) * kFeatureRate / kPoints;
      const double rise = (hz - corners[t]) / (corners[t + 1] - corners[t]);
      const double fall = (corners[t + 2] - hz) / (corners[t + 2] - corners[t + 1]);
      const double weight = std::min(rise, fall);
      if (weight <= 0) continue;
      if (triangles[t].weights.empty()) triangles[t].first = k;
      triangles[t].weights.push_back(static_cast<float>(weight));
    }
  }
  return triangles;
}

std::array<float, kFeatureWindow> Hann() {
  std::array<float, kFeatureWindow> window{};
  for (size_t i = 0; i < kFeatureWindow; ++i) {
    window[i] = static_cast<float>(
        0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / kFeatureWindow));
  }
  return window;
}

}  // namespace

std::vector<float> LogMel(std::span<const float> samples16k, const MelConfig& config) {
  assert(config.low >= 0 && config.low < config.high && config.high <= kFeatureRate / 2.0);
  assert(config.bins > 0 && config.floor > 0);
  const auto triangles = Triangles(config);
  const auto window = Hann();
  const Fft fft(kPoints);
  const size_t frames = FeatureFrames(samples16k.size());
  const auto floor = static_cast<float>(config.floor);
  std::vector<float> rows(frames * config.bins);
  std::array<float, kPoints> frame{};
  std::array<float, kBins> re, im, power;
  for (size_t f = 0; f < frames; ++f) {
    // Where the window lies in the transform turns only the phases, so it starts at 0.
    const size_t centre = f * kFeatureHop;
    const size_t skip = kFeatureWindow / 2 - std::min(centre, kFeatureWindow / 2);
    const size_t first = centre + skip - kFeatureWindow / 2;
    const size_t count = std::min(kFeatureWindow - skip, samples16k.size() - first);
    frame.fill(0);
    for (size_t i = 0; i < count; ++i) frame[skip + i] = window[skip + i] * samples16k[first + i];
    fft.Forward(frame.data(), re.data(), im.data());
    for (size_t k = 0; k < kBins; ++k) power[k] = re[k] * re[k] + im[k] * im[k];
    for (size_t t = 0; t < config.bins; ++t) {
      float energy = floor;
      for (size_t k = 0; k < triangles[t].weights.size(); ++k)
        energy += triangles[t].weights[k] * power[triangles[t].first + k];
      rows[f * config.bins + t] = std::log(energy);
    }
  }
  return rows;
}

}  // namespace wring::speech
