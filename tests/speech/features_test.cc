// Log-mel features beside librosa's.
#include "speech/detect/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

#include "support/test_data.h"

namespace wring::speech {
namespace {

// As tools/goldens/logmel.py makes it.
std::vector<float> GoldenSignal() {
  std::vector<float> x(2900);
  for (int64_t i = 0; i < 2900; ++i) {
    if (i >= 1200 && i < 2000) continue;
    const int64_t code = (i * i * 7 + (i * 131) % 1009 * 64) % 4096 - 2048;
    x[static_cast<size_t>(i)] = static_cast<float>(code) / 4096;
  }
  return x;
}

TEST(LogMel, IsWhatLibrosaGives) {
  std::ifstream file(testing::TreeDir() / "tests/goldens/speech/logmel.txt");
  ASSERT_TRUE(file);
  std::vector<float> golden;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream fields(line);
    for (float v = 0; fields >> v;) golden.push_back(v);
  }
  auto features = LogMel(GoldenSignal());
  const auto telephone = LogMel(GoldenSignal(), {.high = 3800, .bins = 24});
  ASSERT_EQ(features.size(), 19U * 40);
  features.insert(features.end(), telephone.begin(), telephone.end());
  ASSERT_EQ(features.size(), golden.size());
  for (size_t i = 0; i < golden.size(); ++i) ASSERT_NEAR(features[i], golden[i], 2e-4) << i;
}

TEST(LogMel, HasAFrameForEachStartedHop) {
  for (const auto& [samples, frames] :
       {std::pair<size_t, size_t>{0, 0}, {1, 1}, {160, 1}, {161, 2}}) {
    EXPECT_EQ(FeatureFrames(samples), frames);
    EXPECT_EQ(LogMel(std::vector<float>(samples, 0.5F)).size(), frames * 40);
  }
}

TEST(LogMel, SilenceIsTheFloorAndASineFillsItsBin) {
  const auto silent = LogMel(std::vector<float>(1600), {.floor = 1e-4});
  for (const float v : silent) ASSERT_FLOAT_EQ(v, std::log(1e-4F));
  std::vector<float> sine(16000);
  for (size_t i = 0; i < sine.size(); ++i)
    sine[i] =
        static_cast<float>(std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(i) / 16000));
  const auto rows = LogMel(sine);
  // 1 kHz is 1000 mel; bins stand (2789.6 - 92.7) / 41 = 65.8 mel apart from 92.7 on, so bin 13
  // (1013 mel) is nearest.
  const auto row = rows.begin() + 50 * 40;
  EXPECT_EQ(std::max_element(row, row + 40) - row, 13);
}

}  // namespace
}  // namespace wring::speech
