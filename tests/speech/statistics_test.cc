#include "speech/labels/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "speech/labels/rttm.h"
#include "speech/plan/profile.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

constexpr Micros kSecond = kMicrosPerSecond;

Statistics OfFolder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Statistics s;
  for (const auto& file : files) {
    const auto recordings = ReadRttm(file.string());
    EXPECT_TRUE(recordings.ok()) << recordings.status().message();
    for (const Recording& r : *recordings) AddRecording(r, 0, &s);
  }
  return s;
}

double Mean(const std::vector<double>& v) {
  return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

double Median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

TEST(Coverage, CountsSpeechOnceAndOverlapOfThreeOnce) {
  const std::vector<Segment> segments = {
      {0, 4 * kSecond, "a"}, {2 * kSecond, 6 * kSecond, "b"}, {3 * kSecond, 5 * kSecond, "c"}};
  const Coverage c = CoverageOf(segments, 10 * kSecond);
  EXPECT_EQ(c.speech, 6 * kSecond);
  EXPECT_EQ(c.overlap, 3 * kSecond);
  EXPECT_DOUBLE_EQ(c.silence_ratio(), 0.4);
  EXPECT_DOUBLE_EQ(c.overlap_ratio(), 0.5);
}

TEST(Coverage, TouchingSegmentsDoNotOverlap) {
  const std::vector<Segment> segments = {{0, kSecond, "a"}, {kSecond, 2 * kSecond, "b"}};
  EXPECT_EQ(CoverageOf(segments, 2 * kSecond).overlap, 0);
}

TEST(Statistics, ClassesSegmentsByHowTheyTakeTheFloor) {
  // a holds the floor, b is embedded, a goes on after a pause, b changes with overlap, c with a pause.
  const Recording r{"r",
                    {{0, 4 * kSecond, "a"},
                     {kSecond, 2 * kSecond, "b"},
                     {5 * kSecond, 7 * kSecond, "a"},
                     {6 * kSecond, 9 * kSecond, "b"},
                     {12 * kSecond, 13 * kSecond, "c"}}};
  Statistics s;
  AddRecording(r, 20 * kSecond, &s);
  EXPECT_EQ(s.embedded_lengths, std::vector<double>({1}));
  EXPECT_EQ(s.same_pauses, std::vector<double>({1}));
  EXPECT_EQ(s.change_overlaps, std::vector<double>({1}));
  EXPECT_EQ(s.change_pauses, std::vector<double>({3}));
  EXPECT_EQ(s.silences, std::vector<double>({1, 3}));
  EXPECT_EQ(s.overlaps, std::vector<double>({1, 1}));
  EXPECT_DOUBLE_EQ(s.embedded_share(), 0.25);
  EXPECT_DOUBLE_EQ(s.change_probability(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(s.sessions[0].silence, 1 - 9.0 / 20);
}

TEST(Statistics, KsDistanceIsTheLargestGapOfTheTwoDistributions) {
  EXPECT_DOUBLE_EQ(KsDistance({1, 2, 3}, {1, 2, 3}), 0);
  EXPECT_DOUBLE_EQ(KsDistance({1, 2}, {3, 4}), 1);
  EXPECT_DOUBLE_EQ(KsDistance({1, 2, 3, 4}, {3, 4, 5, 6}), 0.5);
}

// The figures of AMI's labels: 136 meetings of the training set.
TEST(Statistics, OfAmisLabelsAreThoseKnown) {
  const auto folder = testing::DataDir() / "speech/rttm/ami_train";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  const Statistics s = OfFolder(folder);
  EXPECT_EQ(s.sessions.size(), 136U);
  EXPECT_NEAR(s.embedded_share(), 0.367, 0.001);
  EXPECT_NEAR(s.overlap_given_change(), 0.442, 0.002);
  EXPECT_NEAR(Median(s.segments), 1.52, 0.01);
  EXPECT_NEAR(Mean(s.segments), 4.08, 0.01);
  EXPECT_NEAR(Median(s.overlaps), 0.54, 0.01);
  EXPECT_NEAR(Median(s.same_pauses), 1.63, 0.01);
  EXPECT_NEAR(Median(s.change_pauses), 0.63, 0.01);
  double overlap = 0;
  for (const SessionShape& shape : s.sessions) overlap += shape.overlap / 136;
  EXPECT_NEAR(overlap, 0.127, 0.001);
}

TEST(Statistics, TheShippedProfilesAreThoseOfTheLabels) {
  const auto folder = testing::DataDir() / "speech/rttm";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  for (const auto& [name, part] :
       {std::pair{"ami", "ami_train"}, {"voxconverse", "voxconverse_dev"}}) {
    const auto fitted = FitProfile(name, OfFolder(folder / part));
    const auto shipped = FindProfile(name);
    ASSERT_TRUE(fitted.ok() && shipped.ok());
    EXPECT_NEAR(fitted->silence.mean, shipped->silence.mean, 1e-9);
    EXPECT_NEAR(fitted->embedded, shipped->embedded, 1e-9);
    EXPECT_EQ(fitted->shares, shipped->shares);
    EXPECT_EQ(fitted->floor_length.quantiles, shipped->floor_length.quantiles);
  }
}

}  // namespace
}  // namespace wring::speech
