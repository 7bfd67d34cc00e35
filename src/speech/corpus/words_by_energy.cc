#include "speech/corpus/words_by_energy.h"

#include <algorithm>
#include <cmath>

namespace wring::speech {

namespace {

// Of frames of 10 ms, in dB.
std::vector<double> LevelsOf(std::span<const float> samples, uint32_t rate) {
  const size_t hop = std::max<size_t>(1, rate / 100);
  std::vector<double> levels;
  for (size_t at = 0; at + hop <= samples.size(); at += hop) {
    double energy = 1e-12;
    for (size_t i = at; i < at + hop; ++i)
      energy += static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
    levels.push_back(10 * std::log10(energy / static_cast<double>(hop)));
  }
  return levels;
}

// The fiftieth part that is loudest begins there, the tenth that is quietest ends there.
struct Extremes {
  double loudest, quietest;
};
Extremes ExtremesOf(std::vector<double> levels) {
  std::sort(levels.begin(), levels.end());
  return {levels[levels.size() - 1 - levels.size() / 50], levels[levels.size() / 10]};
}

}  // namespace

std::vector<SourceWord> WordsByEnergy(std::span<const float> samples, uint32_t rate) {
  constexpr Micros kFrame = 10 * kMillisecond, kJoin = 120 * kMillisecond,
                   kShortest = 60 * kMillisecond;
  const std::vector<double> levels = LevelsOf(samples, rate);
  std::vector<SourceWord> words;
  if (levels.empty()) return words;
  const Extremes extremes = ExtremesOf(levels);
  const double loudest = extremes.loudest;
  if (loudest < -70) return words;
  // Speech without a background has none to stand out from.
  const double floor = std::min(extremes.quietest + 6, loudest - 12);
  const double threshold = std::max(loudest - 35, floor);
  for (size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] < threshold) continue;
    const Micros start = static_cast<Micros>(i) * kFrame, end = start + kFrame;
    if (!words.empty() && start - words.back().end <= kJoin) {
      words.back().end = end;
    } else {
      words.push_back({start, end, "<unk>"});
    }
  }
  std::erase_if(words, [](const SourceWord& w) { return w.end - w.start < kShortest; });
  return words;
}

double DynamicRangeDb(std::span<const float> samples, uint32_t rate) {
  const std::vector<double> levels = LevelsOf(samples, rate);
  if (levels.empty()) return 0;
  const Extremes extremes = ExtremesOf(levels);
  return extremes.loudest - extremes.quietest;
}

}  // namespace wring::speech
