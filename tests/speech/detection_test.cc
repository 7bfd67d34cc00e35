#include "speech/score/detection.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace wring::speech {
namespace {

TEST(Detection, CountsMissAndFalseAlarmWithoutRegardToSpeakers) {
  const Recording reference = {"r", {{0, 10, "a"}, {5, 20, "b"}, {30, 40, "a"}}};
  const Recording hypothesis = {"r", {{2, 25, "speech"}, {30, 38, "speech"}, {35, 36, "other"}}};
  const auto score = ScoreDetection(reference, hypothesis);
  ASSERT_TRUE(score.ok());
  EXPECT_EQ(score->scored, 40);
  EXPECT_EQ(score->speech, 30);
  EXPECT_EQ(score->miss, 2 + 2);
  EXPECT_EQ(score->false_alarm, 5);
  EXPECT_DOUBLE_EQ(score->rate(), 9.0 / 30);
}

TEST(Detection, CollarsLieAroundSpeechAndNotBetweenSpeakers) {
  const Recording reference = {"r", {{10, 20, "a"}, {20, 30, "b"}}};
  const ScoreOptions options = {.collar = 2, .uem = std::vector<Span>{{0, 40}}};
  const auto score = ScoreDetection(reference, {"r", {{18, 34, "x"}}}, options);
  ASSERT_TRUE(score.ok());
  EXPECT_EQ(score->scored, 40 - 4 - 4);
  EXPECT_EQ(score->speech, 16);
  EXPECT_EQ(score->miss, 6);         // 12 to 18
  EXPECT_EQ(score->false_alarm, 2);  // 32 to 34
}

TEST(Detection, ASumOfScoresIsTheScoreOfBoth) {
  DetectionScore sum = {100, 50, 5, 10};
  sum += {100, 0, 0, 15};
  EXPECT_DOUBLE_EQ(sum.rate(), 30.0 / 50);
  EXPECT_EQ((DetectionScore{10, 0, 0, 1}).rate(), 1);
  EXPECT_EQ((DetectionScore{10, 0, 0, 0}).rate(), 0);
}

Roc Curve(const std::vector<float>& probabilities, const Recording& reference,
          const ScoreOptions& options = {}) {
  FrameScores frames;
  const Status status = frames.Add(probabilities, 10, reference, options);
  EXPECT_TRUE(status.ok()) << status.message();
  return frames.Finish();
}

TEST(Frames, AreWhatTheReferenceIsAtTheirCentre) {
  // Centres at 5, 15, 25, 35, 45.
  const Recording reference = {"r", {{5, 15, "a"}, {24, 26, "b"}, {36, 44, "a"}}};
  const Roc roc = Curve({0.9F, 0.1F, 0.8F, 0.2F, 0.3F}, reference);
  EXPECT_EQ(roc.speech, 2U);
  EXPECT_EQ(roc.silence, 3U);
  EXPECT_EQ(roc.area(), 1.0);
  const Roc part =
      Curve({0.9F, 0.1F, 0.8F, 0.2F, 0.3F}, reference, {.uem = std::vector<Span>{{6, 26}}});
  EXPECT_EQ(part.speech, 1U);
  EXPECT_EQ(part.silence, 1U);
}

TEST(Frames, OfOneHopAreExactWhereACentreLiesBetweenMicroseconds) {
  FrameScores frames;
  ASSERT_TRUE(frames.Add(std::vector<float>{0.5F, 0.5F}, 1, {"r", {{0, 1, "a"}}}, {}).ok());
  EXPECT_EQ(frames.Finish().speech, 1U);
}

TEST(RocCurve, TiesCountHalf) {
  const Recording reference = {"r", {{0, 20, "a"}}};
  EXPECT_EQ(Curve({0.5F, 0.5F, 0.5F, 0.5F}, reference).area(), 0.5);
  EXPECT_EQ(Curve({0.5F, 0.9F, 0.5F, 0.1F}, reference).area(), 0.875);
  EXPECT_EQ(Curve({0.1F, 0.1F, 0.5F, 0.9F}, reference).area(), 0.0);
  EXPECT_EQ(Curve({0.1F, 0.1F}, reference).area(), std::nullopt);
}

TEST(RocCurve, AreaIsTheShareOfPairsInOrder) {
  for (uint32_t trial = 0; trial < 100; ++trial) {
    Recording reference{"r", {}};
    std::vector<float> probabilities;
    std::vector<float> by_kind[2];
    for (uint32_t i = 0; i < 60; ++i) {
      const auto draw = Philox({trial, i, 0, 0}, 5);
      const bool speech = draw[0] % 3 == 0;
      const float p = static_cast<float>(draw[1] % 9 + (speech ? 2 : 0)) / 16;
      if (speech) reference.segments.push_back({i * 10, i * 10 + 10, "a"});
      probabilities.push_back(p);
      by_kind[speech].push_back(p);
    }
    double pairs = 0;
    for (const float s : by_kind[1]) {
      for (const float n : by_kind[0]) pairs += s > n ? 1 : s == n ? 0.5 : 0;
    }
    const Roc roc = Curve(probabilities, reference);
    ASSERT_NEAR(
        roc.area().value(),
        pairs / static_cast<double>(by_kind[0].size()) / static_cast<double>(by_kind[1].size()),
        1e-14);
    // The best threshold is at least as good as all others, and tells its own errors.
    const RocPoint best = roc.Best();
    for (int t = 0; t <= 18; ++t) {
      const auto threshold = static_cast<float>(t) / 16;
      uint64_t hits = 0, alarms = 0;
      for (const float s : by_kind[1]) hits += s >= threshold;
      for (const float n : by_kind[0]) alarms += n >= threshold;
      const RocPoint at = roc.At(threshold);
      ASSERT_EQ(at.hits, hits);
      ASSERT_EQ(at.false_alarms, alarms);
      ASSERT_LE(roc.Error(best), roc.Error(at));
    }
    const RocPoint again = roc.At(best.threshold);
    ASSERT_EQ(again.hits, best.hits);
    ASSERT_EQ(again.false_alarms, best.false_alarms);
  }
}

TEST(Frames, RefuseWhatIsNoProbability) {
  FrameScores frames;
  EXPECT_FALSE(frames.Add(std::vector<float>{NAN}, 10, {"r", {}}).ok());
  EXPECT_FALSE(frames.Add(std::vector<float>{0.5F}, 0, {"r", {}}).ok());
  EXPECT_FALSE(frames.Add(std::vector<float>(3), kMaxMicros / 2, {"r", {}}).ok());
  EXPECT_TRUE(frames.Add({}, 10, {"r", {}}).ok());
}

}  // namespace
}  // namespace wring::speech
