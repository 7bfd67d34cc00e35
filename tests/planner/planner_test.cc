// Plans without a machine: estimates, replays and choices on named hardware.
#include "planner/planner.h"

#include <gtest/gtest.h>

#include "bench/random_model.h"
#include "model/arch/architecture.h"

namespace wring::planner {
namespace {

Subject SubjectOf(const char* text) {
  auto shape = bench::ParseShape(text);
  EXPECT_TRUE(shape.ok()) << shape.status().message();
  Subject s;
  s.name = shape->name;
  s.spec = shape->spec;
  s.decls = WeightsOf(s.spec, ConfigView::Naming::kHuggingFace);
  for (const WeightDecl& d : s.decls)
    s.formats.push_back(IsMatrix(d.ref.role) ? shape->format : nullptr);
  return s;
}

class PlannerTest : public ::testing::Test {
 protected:
  PlannerTest() { pricings_.emplace_back(subject_, hardware_); }

  Subject subject_ = SubjectOf("layers=8,hidden=1024,heads=16,kv=4,ffn=2816,vocab=4096:Q8_0");
  analyze::Hardware hardware_ = *analyze::FindHardware("epyc-9654");
  std::vector<Pricing> pricings_;
  Goal goal_ = {.prompt = 300, .output = 40};
};

TEST_F(PlannerTest, AReplayIsTheSameEachTime) {
  const Choice c = {nullptr, CodecId::kF16, 5, 64};
  const Load load = {5, 300, 40, 2, {}};
  const auto a = Replay(pricings_[0], c, goal_, load);
  ASSERT_TRUE(a.ok()) << a.status().message();
  const auto b = Replay(pricings_[0], c, goal_, load);
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(a->figures.ttft, b->figures.ttft);
  EXPECT_EQ(a->figures.tpot, b->figures.tpot);
  EXPECT_EQ(a->figures.throughput, b->figures.throughput);
  EXPECT_EQ(a->requests, 10U);
  EXPECT_EQ(a->steps.decodes, b->steps.decodes);
}

// One answer alone: its prompt in pieces, then a step a token; nothing else has a part in it.
TEST_F(PlannerTest, OneClientTakesTheTimeOfItsSteps) {
  const Choice c = {nullptr, CodecId::kF16, 1, 100};
  const auto s = Replay(pricings_[0], c, goal_, {1, 300, 40, 3, {}});
  ASSERT_TRUE(s.ok());
  double ttft = 0;
  for (const uint32_t at : {0U, 100U, 200U}) {
    analyze::Workload w;
    w.sequences = {{at, 100, at == 200 ? 1U : 0U}};
    ttft += pricings_[0].Step(c, w);
  }
  double gaps = 0;
  for (uint32_t t = 0; t < 39; ++t) gaps += pricings_[0].Step(c, analyze::Decode(1, 300 + t));
  EXPECT_NEAR(s->figures.ttft, ttft, 1e-6 * ttft);
  EXPECT_NEAR(s->figures.tpot, gaps / 39, 1e-6 * gaps);
  EXPECT_NEAR(s->figures.throughput, 40 / (ttft + gaps), 0.03 * 40 / (ttft + gaps));
}

TEST_F(PlannerTest, TheEstimateIsNearTheReplay) {
  for (const Choice& c : {Choice{nullptr, CodecId::kF16, 1, 64},
                          {nullptr, CodecId::kF16, 4, 256},
                          {nullptr, CodecId::kI8, 16, 128},
                          {nullptr, CodecId::kF16, 32, 32}}) {
    const Figures f = pricings_[0].Estimate(c, goal_);
    const auto s = Replay(pricings_[0], c, goal_, {c.sequences, 300, 40, 3, {}});
    ASSERT_TRUE(s.ok());
    EXPECT_NEAR(f.throughput, s->figures.throughput, 0.2 * f.throughput) << ChoiceText(c);
  }
}

TEST_F(PlannerTest, ThePlanIsTheBestOfAllReplays) {
  PlanOptions options;
  options.goal = goal_;
  options.goal.ttft = 0.01;
  options.grid = {{nullptr}, {CodecId::kF16, CodecId::kI8}, {1, 2, 4, 8, 16}, {32, 128, 512}};
  options.replays = 12;
  auto plan = MakePlan(pricings_, options, nullptr, nullptr, nullptr);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  ASSERT_TRUE(plan->found) << plan->why;
  double best = 0;
  for (const Ranked& r : EstimateAll(pricings_, options.grid, options.goal)) {
    const auto s = Replay(pricings_[0], r.choice, options.goal,
                          {r.choice.sequences, 300, 40, std::max(1U, 8 / r.choice.sequences), {}});
    ASSERT_TRUE(s.ok());
    if (Holds(options.goal, s->figures)) best = std::max(best, s->figures.throughput);
  }
  EXPECT_GE(plan->tried[0].predicted.figures.throughput, 0.95 * best);
}

TEST_F(PlannerTest, WhatCannotBeKeptIsNamedWithHowMuchIsMissing) {
  PlanOptions options;
  options.goal = goal_;
  options.goal.tpot = 1e-6;
  options.grid = WholeGrid(pricings_[0]);
  auto plan = MakePlan(pricings_, options, nullptr, nullptr, nullptr);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->found);
  EXPECT_TRUE(plan->why.starts_with("--tpot 1.00 us cannot be kept: the least is ")) << plan->why;
  EXPECT_NE(plan->why.find("% more, with "), std::string::npos);

  options.goal.tpot = 0;
  options.goal.memory = 50e6;
  plan = MakePlan(pricings_, options, nullptr, nullptr, nullptr);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->why.starts_with("--memory 0.05 GB cannot be kept")) << plan->why;
}

TEST_F(PlannerTest, MemoryCountsWeightsAndTheWholePool) {
  const Choice small = {nullptr, CodecId::kF16, 1, 64};
  const Choice large = {nullptr, CodecId::kF16, 9, 64};
  const double more = pricings_[0].Memory(large, goal_) - pricings_[0].Memory(small, goal_);
  const auto pools = static_cast<double>(pricings_[0].PoolBytes(large, goal_) -
                                         pricings_[0].PoolBytes(small, goal_));
  EXPECT_NEAR(more, pools, 4096 * 8 * 4 + 1);  // and eight rows of logits
  EXPECT_GT(pricings_[0].Memory(small, goal_), 8 * (1024.0 * 1024 * 2.5 + 3 * 1024 * 2816));
}

TEST_F(PlannerTest, ArrivalsAreServedWhenTheyCome) {
  const Choice c = {nullptr, CodecId::kF16, 4, 128};
  Load load;
  for (uint32_t i = 0; i < 20; ++i) load.arrivals.push_back({i * 10.0, 300, 40});  // hours of rest
  const auto s = Replay(pricings_[0], c, goal_, load);
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->requests, 20U);
  EXPECT_NEAR(s->figures.ttft, s->ttft_median, 1e-8);  // nobody meets another
  for (Arrival& a : load.arrivals) a.seconds = 0;      // all at once
  const auto crowd = Replay(pricings_[0], c, goal_, load);
  ASSERT_TRUE(crowd.ok());
  EXPECT_GT(crowd->figures.ttft, 3 * s->figures.ttft);
}

}  // namespace
}  // namespace wring::planner
