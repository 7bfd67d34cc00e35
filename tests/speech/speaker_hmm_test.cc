#include "speech/detect/speaker_hmm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "speech/detect/embedding.h"
#include "speech/detect/voice_space.h"

namespace wring::speech {
namespace {

constexpr size_t kAxes = 6;

// Turns of `length` rows of each of `speakers` in turn, in a space where a speaker's rows vary by 1.
struct Talk {
  std::vector<double> rows;
  std::vector<uint32_t> speakers;
};

Talk TalkOf(uint32_t speakers, size_t turns, size_t length, double apart) {
  std::mt19937 random(speakers);
  std::normal_distribution<double> normal;
  std::vector<double> places(speakers * kAxes);
  for (double& p : places) p = apart * normal(random);
  Talk talk;
  for (size_t t = 0; t < turns; ++t) {
    for (size_t i = 0; i < length; ++i) {
      const auto speaker = static_cast<uint32_t>(t % speakers);
      talk.speakers.push_back(speaker);
      for (size_t k = 0; k < kAxes; ++k)
        talk.rows.push_back(places[speaker * kAxes + k] + normal(random));
    }
  }
  return talk;
}

std::vector<uint32_t> MostLikely(const std::vector<double>& p, size_t rows) {
  const size_t n = p.size() / rows;
  std::vector<uint32_t> most;
  for (size_t t = 0; t < rows; ++t) {
    const auto row = p.begin() + static_cast<ptrdiff_t>(t * n);
    most.push_back(
        static_cast<uint32_t>(std::max_element(row, row + static_cast<ptrdiff_t>(n)) - row));
  }
  return most;
}

TEST(SpeakerHmm, GivesUpSpeakersWhoExplainLittle) {
  const std::vector<float> between(kAxes, 9);
  for (const uint32_t speakers : {1U, 2U, 4U}) {
    const Talk talk = TalkOf(speakers, 12, 20, 3);
    // Six are guessed: each speaker's rows are shared among those that are left over.
    std::vector<uint32_t> guess;
    for (size_t t = 0; t < talk.speakers.size(); ++t)
      guess.push_back(t % 3 == 0 ? static_cast<uint32_t>(speakers + t % (6 - speakers))
                                 : talk.speakers[t]);
    const auto p = SpeakerHmm{}.Run(talk.rows, between, guess, false);
    const auto found = MostLikely(p, guess.size());
    std::set<std::pair<uint32_t, uint32_t>> pairs;
    for (size_t t = 0; t < found.size(); ++t) pairs.emplace(talk.speakers[t], found[t]);
    EXPECT_EQ(pairs.size(), speakers);
    for (size_t t = 0; t < guess.size(); ++t) {
      double sum = 0;
      for (size_t k = 0; k < p.size() / guess.size(); ++k)
        sum += p[t * (p.size() / guess.size()) + k];
      ASSERT_NEAR(sum, 1, 1e-9);
    }
  }
}

TEST(SpeakerHmm, IsSteadyWhereRowsAreImpossible) {
  std::vector<double> rows(5 * kAxes, 1e6);
  rows[0] = -1e6;
  const auto p = SpeakerHmm{}.Run(rows, std::vector<float>(kAxes, 1),
                                  std::vector<uint32_t>{0, 1, 0, 1, 2}, false);
  ASSERT_EQ(p.size(), 15U);
  for (const double x : p) EXPECT_TRUE(std::isfinite(x));
  EXPECT_TRUE(SpeakerHmm{}.Run({}, {}, {}, false).empty());
}

TEST(VoiceSpace, ScalesWhatASpeakerVariesByToOne) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows;
  std::vector<int32_t> groups;
  for (int32_t g = 0; g < 200; ++g) {
    float place[3];
    for (float& p : place) p = normal(random);
    for (int i = 0; i < 40; ++i) {
      groups.push_back(g);
      for (size_t k = 0; k < kVoiceSize; ++k)  // speakers differ in three of the values
        rows.push_back((k < 3 ? place[k] * static_cast<float>(3 - k) : 0) + 0.5F * normal(random));
    }
  }
  const VoiceSpace space = FitVoiceSpace(rows, groups);
  // (3, 2, 1)^2 / 0.25, by as much as 200 speakers tell; other values hardly tell speakers apart.
  const double expected[3] = {36, 16, 4};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(space.between[i], expected[i], 0.3 * expected[i]);
  EXPECT_LT(space.between[3], 0.1);
  const std::vector<double> at = space.Coordinates(rows);
  for (size_t a = 0; a < kVoiceAxes; ++a) {
    double within = 0;
    for (size_t g = 0; g < 200; ++g) {
      double mean = 0;
      for (size_t i = 0; i < 40; ++i) mean += at[(g * 40 + i) * kVoiceAxes + a] / 40;
      for (size_t i = 0; i < 40; ++i)
        within += std::pow(at[(g * 40 + i) * kVoiceAxes + a] - mean, 2) / (200 * 40);
    }
    EXPECT_NEAR(within, 1, 0.01);
  }
}

TEST(VoiceSpace, OfNothingIsUsable) {
  const VoiceSpace space = FitVoiceSpace({}, {});
  EXPECT_EQ(space.between.size(), kVoiceAxes);
  for (const double x : space.Coordinates(std::vector<float>(kVoiceSize, 1)))
    EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace wring::speech
