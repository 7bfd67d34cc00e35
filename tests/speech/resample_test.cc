#include "speech/audio/resample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "speech/audio/audio_file.h"

namespace wring::speech {
namespace {

std::vector<float> Sine(double hertz, uint32_t rate, size_t frames, double amplitude = 0.5) {
  std::vector<float> sine(frames);
  for (size_t i = 0; i < frames; ++i) {
    const double phase = 2 * std::numbers::pi * hertz * static_cast<double>(i) / rate;
    sine[i] = static_cast<float>(amplitude * std::sin(phase));
  }
  return sine;
}

std::vector<float> Must(std::span<const float> mono, uint32_t from, uint32_t to) {
  auto result = Resample(mono, from, to);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? *result : std::vector<float>{};
}

// Largest distance away from the ends, where the filter meets the silence outside.
float Distance(std::span<const float> a, std::span<const float> b) {
  float worst = 0;
  for (size_t i = 1000; i + 1000 < std::min(a.size(), b.size()); ++i)
    worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

TEST(Resample, SineKeepsAmplitudeAndPhase) {
  for (const auto& [from, to] : {std::pair{8000U, 16000U},
                                 {16000U, 8000U},
                                 {44100U, 16000U},
                                 {16000U, 44100U},
                                 {48000U, 16000U},
                                 {16000U, 11025U}}) {
    const auto out = Must(Sine(1000, from, from), from, to);
    ASSERT_EQ(out.size(), to);
    EXPECT_LT(Distance(out, Sine(1000, to, to)), 0.5 * 0.001) << from << " to " << to;
  }
}

TEST(Resample, TonesAboveTheNewBandVanish) {
  const auto out = Must(Sine(6000, 16000, 16000), 16000, 8000);
  EXPECT_LT(Distance(out, std::vector<float>(out.size())), 1e-4);
}

TEST(Resample, LengthIsRounded) {
  for (const size_t n : {1U, 2U, 3U, 5U, 77U, 441U, 1000U, 44101U}) {
    const std::vector<float> in(n, 0.1F);
    EXPECT_EQ(Must(in, 8000, 16000).size(), 2 * n);
    EXPECT_EQ(Must(in, 16000, 8000).size(), (n + 1) / 2);
    EXPECT_EQ(Must(in, 44100, 16000).size(), (2 * n * 160 + 441) / 882);
    EXPECT_EQ(Must(in, 11025, 48000).size(), (2 * n * 640 + 147) / 294);
  }
}

TEST(Resample, EqualRatesCopy) {
  const std::vector<float> in = {1, -2, 0.3F};
  EXPECT_EQ(Must(in, 16000, 16000), in);
}

TEST(Resample, NothingStaysNothing) { EXPECT_TRUE(Must({}, 8000, 16000).empty()); }

TEST(Resample, EqualInputGivesEqualBits) {
  const auto in = Sine(777, 44100, 50000);
  EXPECT_EQ(Must(in, 44100, 16000), Must(in, 44100, 16000));
}

TEST(Resample, RatesThatNoSoundHasAreRefused) {
  const std::vector<float> in(10);
  EXPECT_FALSE(Resample(in, 0, 16000).ok());
  EXPECT_FALSE(Resample(in, 16000, 0).ok());
  EXPECT_FALSE(Resample(in, 16000, 999).ok());
  EXPECT_FALSE(Resample(in, 384001, 16000).ok());
  EXPECT_FALSE(Resample(in, 384001, 384001).ok());
}

}  // namespace
}  // namespace wring::speech
