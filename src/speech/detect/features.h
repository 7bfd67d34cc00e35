// Log-mel energies, the input of the networks that look at speech (Davis & Mermelstein 1980,
// without the cosine transform). Frame i is centred on sample 160 i (10 ms at 16 kHz): samples [160
// i - 200, 160 i + 200), zeros beyond the ends, under a periodic Hann window of 400 samples (25
// ms), 512-point transform. Its power spectrum |X|^2 is gathered by triangles that stand evenly on
// the mel scale of HTK, 2595 log10(1 + Hz / 700); their peaks are 1. A value is the natural
// logarithm of energy + floor. This is what librosa gives with htk=True, norm=None and center=True.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace wring::speech {

inline constexpr uint32_t kFeatureRate = 16000;
inline constexpr size_t kFeatureHop = 160;
inline constexpr size_t kFeatureWindow = 400;

// 0 <= low < high <= 8000 Hz. Speech off a telephone line has nothing above 3,400 Hz: with high =
// 3800 the bins all lie where it has something, and band-limited and full-band speech look alike.
struct MelConfig {
  double low = 60;
  double high = 7600;
  size_t bins = 40;
  double floor = 1e-6;  // of energy; a full-scale sine has 1e4
};

constexpr size_t FeatureFrames(size_t samples) {
  return samples / kFeatureHop + (samples % kFeatureHop != 0);
}

// Rows of `bins` values, FeatureFrames(samples) of them.
std::vector<float> LogMel(std::span<const float> samples16k, const MelConfig& config = {});

}  // namespace wring::speech
