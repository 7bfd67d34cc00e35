#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/rng.h"

namespace wring {
namespace {

const std::vector<float> kLogits = {1.0F, 3.0F, 2.0F, 3.0F, -1.0F, 0.0F};

std::map<int32_t, double> Frequencies(const SamplingParams& base, int draws,
                                      std::span<const int32_t> history = {}) {
  std::map<int32_t, double> f;
  SamplingParams p = base;
  for (int i = 0; i < draws; ++i)
    f[Sample(kLogits, p, history, static_cast<uint32_t>(i))] += 1.0 / draws;
  return f;
}

TEST(SamplerTest, GreedyTakesTheFirstOfTheLargest) { EXPECT_EQ(Sample(kLogits, {}, {}, 0), 1); }

TEST(SamplerTest, DrawsFollowTheSoftmax) {
  SamplingParams p;
  p.temperature = 0.7F;
  p.seed = 5;
  const auto f = Frequencies(p, 20'000);
  double total = 0;
  for (float l : kLogits) total += std::exp(l / 0.7);
  for (int32_t id = 0; id < 6; ++id) {
    const double want = std::exp(kLogits[static_cast<size_t>(id)] / 0.7) / total;
    const double got = f.contains(id) ? f.at(id) : 0.0;
    EXPECT_NEAR(got, want, 4 * std::sqrt(want * (1 - want) / 20'000) + 1e-4) << id;
  }
}

TEST(SamplerTest, TheSameKeyGivesTheSameToken) {
  SamplingParams p;
  p.temperature = 1.0F;
  p.seed = 77;
  for (uint32_t at = 0; at < 100; ++at)
    EXPECT_EQ(Sample(kLogits, p, {}, at), Sample(kLogits, p, {}, at));
  SamplingParams other = p;
  other.choice = 1;
  int differ = 0;
  for (uint32_t at = 0; at < 100; ++at)
    differ += Sample(kLogits, p, {}, at) != Sample(kLogits, other, {}, at);
  EXPECT_GT(differ, 20);
}

TEST(SamplerTest, TopKTopPMinPCutTheTail) {
  SamplingParams p;
  p.temperature = 1.0F;
  p.top_k = 2;
  for (const auto& [id, f] : Frequencies(p, 2000)) EXPECT_TRUE(id == 1 || id == 3) << id;
  p.top_k = 0;
  p.top_p = 0.5F;  // 1 has 0.40, with 3 it is 0.79
  for (const auto& [id, f] : Frequencies(p, 2000)) EXPECT_TRUE(id == 1 || id == 3) << id;
  p.top_p = 1.0F;
  p.min_p = 0.3F;  // e^-1 = 0.37 stays, e^-2 goes
  for (const auto& [id, f] : Frequencies(p, 2000)) EXPECT_TRUE(id == 1 || id == 2 || id == 3) << id;
  p.min_p = 0.0F;
  p.top_p = 1e-6F;  // never nothing
  EXPECT_EQ(Frequencies(p, 10).begin()->first, 1);
}

TEST(SamplerTest, PenaltiesAndBias) {
  SamplingParams p;
  p.repetition_penalty = 2.0F;
  const std::vector<int32_t> seen = {1, 3, 3};
  EXPECT_EQ(Sample(kLogits, p, seen, 0), 2);  // 1.5, 1.5 below 2
  p.repetition_penalty = 1.0F;
  p.frequency_penalty = 0.6F;
  EXPECT_EQ(Sample(kLogits, p, seen, 0), 1);  // 3 - 0.6 = 2.4; 3 - 1.2 = 1.8
  p.presence_penalty = 0.5F;
  EXPECT_EQ(Sample(kLogits, p, seen, 0), 2);  // 1.9 and 1.3 below 2
  SamplingParams bias;
  bias.logit_bias = {{4, 100.0F}};
  EXPECT_EQ(Sample(kLogits, bias, {}, 0), 4);
}

TEST(SamplerTest, OnlyAllowedIdsAreDrawn) {
  const uint32_t words[] = {0b10101};  // 0, 2, 4
  SampleContext context = {.allowed = words};
  EXPECT_EQ(Sample(kLogits, SamplingParams(), context), 2);
  SamplingParams p;
  p.temperature = 2.0F;
  for (uint32_t at = 0; at < 200; ++at) {
    context.position = at;
    EXPECT_EQ(Sample(kLogits, p, context) % 2, 0);
  }
  // Ids that the words do not reach are not allowed, however likely.
  std::vector<float> longer(100, 0.0F);
  longer[70] = 50.0F;
  EXPECT_EQ(Sample(longer, SamplingParams(), context), 0);
  const uint32_t none[] = {0};
  context.allowed = none;
  EXPECT_EQ(Sample(kLogits, p, context), -1);
  EXPECT_EQ(Sample(kLogits, SamplingParams(), context), -1);
}

TEST(SamplerTest, XtcLeavesOutAsOftenAsItIsTold) {
  SamplingParams p;
  p.temperature = 1.0F;
  p.xtc_probability = 0.3F;
  p.seed = 9;
  int left_out = 0;
  for (uint32_t at = 0; at < 5000; ++at)
    left_out += Candidates(kLogits, p, {.position = at}).size() < kLogits.size() ? 1 : 0;
  EXPECT_NEAR(left_out / 5000.0, 0.3, 0.02);
  // A draw of its own: what is drawn where XTC does nothing is what is drawn without it.
  SamplingParams plain = p;
  plain.xtc_probability = 0.0F;
  for (uint32_t at = 0; at < 200; ++at) {
    if (Candidates(kLogits, p, {.position = at}).size() == kLogits.size()) {
      EXPECT_EQ(Sample(kLogits, p, {}, at), Sample(kLogits, plain, {}, at));
    }
  }
}

TEST(SamplerTest, RangesAreChecked) {
  EXPECT_TRUE(CheckSampling({}).ok());
  const auto bad = [](float SamplingParams::*member, float value) {
    SamplingParams p;
    p.*member = value;
    const Status status = CheckSampling(p);
    return !status.ok() && status.message().find("give a number from") != std::string::npos;
  };
  EXPECT_TRUE(bad(&SamplingParams::temperature, NAN));
  EXPECT_TRUE(bad(&SamplingParams::typical_p, 0.0F));
  EXPECT_TRUE(bad(&SamplingParams::top_n_sigma, -1.0F));
  EXPECT_TRUE(bad(&SamplingParams::xtc_probability, 1.5F));
  EXPECT_TRUE(bad(&SamplingParams::temperature_exponent, 0.0F));
  SamplingParams p;
  p.dry.base = 0.5F;
  EXPECT_FALSE(CheckSampling(p).ok());
}

TEST(DryTest, FindsTheLongestEarlierEndForEachNextId) {
  //                                  |-------|     |----|  the end: 1 2 3
  const std::vector<int32_t> history = {1, 2, 3, 4, 9, 2, 3, 5, 3, 4, 1, 2, 3};
  using Found = std::vector<std::pair<int32_t, uint32_t>>;
  EXPECT_EQ(Repetitions(history, UINT32_MAX), (Found{{4, 3}, {5, 2}}));
  EXPECT_EQ(Repetitions(history, 1), (Found{{4, 1}, {5, 1}}));
  EXPECT_EQ(Repetitions({}, 5), Found());
  // An end that overlaps its earlier self.
  const std::vector<int32_t> same = {7, 7, 7, 7};
  EXPECT_EQ(Repetitions(same, UINT32_MAX), (Found{{7, 3}}));
}

TEST(DryTest, BreakersMaySpanTokens) {
  SequenceBreaks breaks({"\n\nA:", "*"});
  const auto push = [&](const char* text) {
    breaks.Push(text);
    return breaks.unbroken();
  };
  EXPECT_EQ(push("a"), 1U);
  EXPECT_EQ(push("b*c"), 0U);
  EXPECT_EQ(push("\n"), 1U);
  EXPECT_EQ(push("\nA"), 2U);
  EXPECT_EQ(push(": x"), 0U);
  EXPECT_EQ(push("x"), 1U);
  SequenceBreaks none({""});
  none.Push("\n");
  EXPECT_EQ(none.unbroken(), 1U);
}

TEST(SamplerTest, LogProbabilityEqualsTheFormula) {
  double total = 0;
  for (float l : kLogits) total += std::exp(static_cast<double>(l));
  EXPECT_NEAR(LogProbability(kLogits, 2), 2.0 - std::log(total), 1e-12);
}

// Most candidates are passed over without their logarithms; who wins must not change.
TEST(SamplerTest, DrawsTheLargestOfLogitAndGumbelNoise) {
  for (uint32_t round = 0; round < 60; ++round) {
    const uint32_t vocab = 200 + 300 * (round % 5);
    const float spread = round % 3 == 0 ? 1.0F : round % 3 == 1 ? 8.0F : 60.0F;
    std::vector<float> logits(vocab);
    for (uint32_t i = 0; i < vocab; ++i) {
      logits[i] = spread * static_cast<float>(Uniform(round, 0, 0, Draw::kTest, i));
    }
    SamplingParams p;
    p.temperature = 1;
    p.seed = round;
    p.choice = round % 4;
    double best = -INFINITY;
    int32_t want = -1;
    for (uint32_t i = 0; i < vocab; ++i) {
      const double u = Uniform(p.seed, p.choice, 17, Draw::kSample, i);
      const double score = static_cast<double>(logits[i]) - std::log(-std::log(u));
      if (score > best) {
        best = score;
        want = static_cast<int32_t>(i);
      }
    }
    ASSERT_EQ(Sample(logits, p, {}, 17), want) << round;
  }
}

}  // namespace
}  // namespace wring
