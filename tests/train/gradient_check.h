// Gradients held against central differences. The function's output is weighed with fixed numbers
// and summed in float64 outside, so that float32 noise stays near 1e-5 at a step of 1e-2.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "train/ops.h"

namespace wring::testing {

// Values in (low, high) that depend on the stream alone.
inline train::Tensor Random(train::Shape shape, uint32_t stream, float low = -1, float high = 1) {
  train::Tensor t(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) {
    const double u = Uniform(7, stream, static_cast<uint32_t>(i), Draw::kTest, 0);
    t.data()[i] = low + (high - low) * static_cast<float>(u);
  }
  return t;
}

using Function = std::function<train::Tensor(train::Tape&, const std::vector<train::Tensor>&)>;

// Checks d (weighed sum of f) / d x for every value of every input.
inline void CheckGradients(const std::vector<train::Tensor>& inputs, const Function& f) {
  using train::Mode;
  using train::Tape;
  using train::Tensor;
  ThreadPool pool(2);
  Tensor weights;
  const auto value = [&] {
    Tape tape(&pool, Mode::kForward);
    const Tensor y = f(tape, inputs);
    if (!weights) weights = Random(y.shape(), 999, 0.5F, 1.5F);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      sum += static_cast<double>(y.data()[i]) * static_cast<double>(weights.data()[i]);
    }
    return sum;
  };
  value();
  for (const auto& x : inputs) x.RequireGrad().ClearGrad();
  Tape tape(&pool);
  const Tensor y = f(tape, inputs);
  const Tensor mean = Mean(tape, Mul(tape, y, weights));
  const auto count = static_cast<float>(y.size());
  tape.Backward(Scale(tape, mean, count));
  EXPECT_EQ(tape.steps(), 0U);
  for (size_t n = 0; n < inputs.size(); ++n) {
    ASSERT_TRUE(inputs[n].has_grad()) << "input " << n;
    for (size_t i = 0; i < inputs[n].size(); ++i) {
      float& x = inputs[n].data()[i];
      const float before = x;
      const float step = 0.01F;
      x = before + step;
      const double up = value();
      x = before - step;
      const double down = value();
      x = before;
      const double slope = (up - down) / (2.0 * static_cast<double>(step));
      const auto grad = static_cast<double>(inputs[n].grad()[i]);
      ASSERT_NEAR(grad, slope, 2e-3 * (1 + std::abs(slope))) << "input " << n << " value " << i;
    }
  }
}

}  // namespace wring::testing
