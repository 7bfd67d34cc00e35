#include "train/adam.h"

#include <cmath>
#include <limits>

#include "gradient_check.h"

namespace wring::testing {
namespace {

using namespace train;  // NOLINT: the subject

// The published recurrences in float64.
TEST(Adam, FollowsItsDefinitionStepByStep) {
  ThreadPool pool(2);
  Parameters parameters(1);
  const Tensor w = parameters.Add("w", Tensor({2}, {1, -2}), true);
  const Tensor b = parameters.Add("b", Tensor({1}, {0.5F}), false);
  Adam adam(&parameters, {.weight_decay = 0.1});
  double p[3] = {1, -2, 0.5}, m[3] = {}, v[3] = {};
  for (int t = 1; t <= 5; ++t) {
    const double g[3] = {0.1 * t, -3.0 / t, t % 2 == 0 ? -0.25 : 1.0};
    const double rate = 0.01 * t;
    w.grad()[0] = static_cast<float>(g[0]);
    w.grad()[1] = static_cast<float>(g[1]);
    b.grad()[0] = static_cast<float>(g[2]);
    const auto norm = adam.Step(pool, rate);
    ASSERT_TRUE(norm.ok());
    EXPECT_NEAR(*norm, std::sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]), 1e-6);
    for (int i = 0; i < 3; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
      const double step =
          m[i] / (1 - std::pow(0.9, t)) / (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-8);
      p[i] -= rate * (step + (i < 2 ? 0.1 : 0.0) * p[i]);
    }
    EXPECT_NEAR(static_cast<double>(w.data()[0]), p[0], 2e-6) << t;
    EXPECT_NEAR(static_cast<double>(w.data()[1]), p[1], 2e-6) << t;
    EXPECT_NEAR(static_cast<double>(b.data()[0]), p[2], 2e-6) << t;
    EXPECT_FALSE(w.has_grad());
  }
}

// By hand: the first step is rate * sign(g), whatever the gradient's size.
TEST(Adam, FirstStepIsTheRate) {
  ThreadPool pool(1);
  Parameters parameters(1);
  const Tensor w = parameters.Add("w", Tensor({2}, {1, 1}), true);
  w.grad()[0] = 1e-3F;
  w.grad()[1] = -1e3F;
  Adam adam(&parameters);
  ASSERT_TRUE(adam.Step(pool, 0.25).ok());
  EXPECT_NEAR(w.data()[0], 0.75F, 1e-5F);
  EXPECT_NEAR(w.data()[1], 1.25F, 1e-5F);
}

TEST(Adam, ClipsByTheNormOverAllParameters) {
  ThreadPool pool(1);
  // A second step after gradients of 3 and 4: what the moments remember shows the scale. With
  // epsilon large, a step is about rate * g / epsilon.
  const auto after = [&](double clip) {
    Parameters parameters(1);
    const Tensor a = parameters.Add("a", Tensor({1}, {0.0F}), true);
    const Tensor b = parameters.Add("b", Tensor({1}, {0.0F}), true);
    a.grad()[0] = 3;
    b.grad()[0] = 4;
    Adam adam(&parameters, {.epsilon = 1e4, .clip_norm = clip});
    EXPECT_NEAR(*adam.Step(pool, 1e4), 5, 1e-6);
    return std::pair(a.item(), b.item());
  };
  EXPECT_NEAR(after(0).first, -3, 0.01);
  EXPECT_NEAR(after(10).second, -4, 0.01);
  EXPECT_NEAR(after(1).first, -0.6, 0.01);
  EXPECT_NEAR(after(1).second, -0.8, 0.01);
}

TEST(Adam, RefusesAGradientThatIsNotFiniteAndChangesNothing) {
  ThreadPool pool(1);
  Parameters parameters(1);
  const Tensor w = parameters.Add("w", Tensor({2}, {1, 1}), true);
  w.grad()[0] = 1;
  w.grad()[1] = std::numeric_limits<float>::infinity();
  Adam adam(&parameters);
  const auto result = adam.Step(pool, 0.1);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.status().message().find("training step 1"), std::string::npos);
  EXPECT_EQ(w.data()[0], 1.0F);
  EXPECT_EQ(adam.steps(), 0U);
}

TEST(Schedule, RisesLinearlyThenFallsAlongACosine) {
  const Schedule s{.peak = 2, .warmup = 4, .total = 14, .floor = 0.5};
  EXPECT_DOUBLE_EQ(s.Rate(0), 0.5);
  EXPECT_DOUBLE_EQ(s.Rate(3), 2);
  EXPECT_DOUBLE_EQ(s.Rate(4), 2);
  EXPECT_NEAR(s.Rate(9), 1.25, 1e-12);
  EXPECT_NEAR(s.Rate(6), 0.5 + 1.5 * 0.5 * (1 + std::cos(0.2 * 3.14159265358979)), 1e-9);
  EXPECT_DOUBLE_EQ(s.Rate(14), 0.5);
  EXPECT_DOUBLE_EQ(s.Rate(1000), 0.5);
  EXPECT_DOUBLE_EQ((Schedule{.peak = 1, .warmup = 0, .total = 2}).Rate(0), 1);
}

}  // namespace
}  // namespace wring::testing
