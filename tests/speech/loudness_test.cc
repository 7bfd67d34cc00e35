// Levels of signals whose level is known: sines, and the cases of EBU Tech 3341 for one channel.
#include "speech/audio/loudness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace wring::speech {
namespace {

void AppendSine(double hz, double peak_db, double seconds, uint32_t rate, std::vector<float>* out) {
  const double peak = std::pow(10, peak_db / 20);
  const auto count = static_cast<size_t>(seconds * rate);
  for (size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(out->size()) / rate;
    out->push_back(static_cast<float>(peak * std::sin(2 * std::numbers::pi * hz * t)));
  }
}

double SineLoudness(double hz, double peak_db, uint32_t rate) {
  std::vector<float> x;
  AppendSine(hz, peak_db, 5, rate, &x);
  return IntegratedLoudness(x, rate);
}

TEST(Loudness, FullScaleSineOf997HzHasThatOfTheStandardAtEveryRate) {
  for (const uint32_t rate : {8000U, 11025U, 16000U, 22050U, 44100U, 48000U, 96000U})
    EXPECT_NEAR(SineLoudness(997, 0, rate), -3.01, rate == 48000 ? 0.01 : 0.05) << rate;
}

TEST(Loudness, WeightingAt48kHzHasTheCoefficientsOfTheStandard) {
  const auto sections = KWeighting(48000);
  ASSERT_EQ(sections.size(), 2U);
  EXPECT_NEAR(sections[0].b0, 1.53512485958697, 1e-9);
  EXPECT_NEAR(sections[0].b1, -2.69169618940638, 1e-9);
  EXPECT_NEAR(sections[0].b2, 1.19839281085285, 1e-9);
  EXPECT_NEAR(sections[0].a1, -1.69065929318241, 1e-9);
  EXPECT_NEAR(sections[0].a2, 0.73248077421585, 1e-9);
  EXPECT_NEAR(sections[1].b0, 1, 1e-12);
  EXPECT_NEAR(sections[1].b1, -2, 1e-12);
  EXPECT_NEAR(sections[1].b2, 1, 1e-12);
  EXPECT_NEAR(sections[1].a1, -1.99004745483398, 1e-9);
  EXPECT_NEAR(sections[1].a2, 0.99007225036621, 1e-9);
}

// Tech 3341's are stereo; one channel needs 3.01 dB more for the same sum.
TEST(Loudness, ReferenceCasesOfEbuTech3341) {
  struct Part {
    double db, seconds;
  };
  const std::vector<std::pair<double, std::vector<Part>>> cases = {
      {-23, {{-23, 20}}},
      {-33, {{-33, 20}}},
      {-23, {{-36, 10}, {-23, 60}, {-36, 10}}},
      {-23, {{-72, 10}, {-36, 10}, {-23, 60}, {-36, 10}, {-72, 10}}},
      {-23, {{-26, 20}, {-20, 20.1}, {-26, 20}}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    std::vector<float> x;
    for (const Part& p : cases[i].second) AppendSine(1000, p.db + 3.01, p.seconds, 48000, &x);
    EXPECT_NEAR(IntegratedLoudness(x, 48000), cases[i].first, 0.1) << "case " << i + 1;
  }
}

TEST(Loudness, SilenceIsMinusInfinityAndAShortSoundIsOneBlock) {
  EXPECT_EQ(IntegratedLoudness({}, 16000), -INFINITY);
  EXPECT_EQ(IntegratedLoudness(std::vector<float>(16000), 16000), -INFINITY);
  EXPECT_EQ(IntegratedLoudness(std::vector<float>(16000, 1e-7F), 16000), -INFINITY);
  std::vector<float> x;
  AppendSine(997, -20, 0.25, 16000, &x);
  EXPECT_NEAR(IntegratedLoudness(x, 16000), -23.01, 0.2);
}

TEST(ActiveLevel, DoesNotCountPauses) {
  std::vector<float> x;
  AppendSine(500, -20, 1, 16000, &x);
  EXPECT_NEAR(ActiveLevelDb(x, 16000), -23.01, 0.01);
  x.resize(x.size() * 8);
  EXPECT_NEAR(ActiveLevelDb(x, 16000), -23.01, 0.01);
  AppendSine(500, -60, 5, 16000, &x);
  EXPECT_NEAR(ActiveLevelDb(x, 16000), -23.01, 0.01);
  // 10 dB below counts: (1 + 0.1) / 2 of the power.
  std::vector<float> both;
  AppendSine(500, -20, 1, 16000, &both);
  AppendSine(500, -30, 1, 16000, &both);
  EXPECT_NEAR(ActiveLevelDb(both, 16000), -23.01 + 10 * std::log10(0.55), 0.02);
}

TEST(ActiveLevel, OfSilenceIsMinusInfinity) {
  EXPECT_EQ(ActiveLevelDb({}, 16000), -INFINITY);
  EXPECT_EQ(ActiveLevelDb(std::vector<float>(5000), 16000), -INFINITY);
}

TEST(TelephoneBand, IsThreeDecibelsDownAtItsEndsAndFlatBetween) {
  const auto gain = [](double hz, uint32_t rate) {
    std::vector<float> x;
    AppendSine(hz, 0, 2, rate, &x);
    TelephoneBand(x, rate);
    double sum = 0;
    for (size_t i = rate; i < x.size(); ++i) sum += static_cast<double>(x[i]) * x[i];
    return 10 * std::log10(2 * sum / static_cast<double>(x.size() - rate));
  };
  for (const uint32_t rate : {8000U, 16000U, 48000U}) {
    EXPECT_NEAR(gain(300, rate), -3.01, 0.05) << rate;
    EXPECT_NEAR(gain(3400, rate), -3.01, 0.05) << rate;
    EXPECT_NEAR(gain(1000, rate), 0, 0.05) << rate;
    EXPECT_LT(gain(75, rate), -45) << rate;  // two octaves below: 48 dB
  }
  EXPECT_LT(gain(6800, 16000), -24);
  EXPECT_NEAR(gain(2000, 6000), 0, 0.05);  // nothing to cut above
}

}  // namespace
}  // namespace wring::speech
