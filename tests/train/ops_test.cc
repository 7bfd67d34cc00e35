#include "train/ops.h"

#include <array>

#include "gradient_check.h"

namespace wring::testing {
namespace {

using namespace train;  // NOLINT: the subject
using Inputs = std::vector<Tensor>;

class Batches : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(OneAndThree, Batches, ::testing::Values(1, 3));

TEST_P(Batches, LinearGradients) {
  CheckGradients({Random({GetParam(), 5, 3}, 1), Random({3, 7}, 2), Random({7}, 3)},
                 [](Tape& t, const Inputs& in) { return Linear(t, in[0], in[1], in[2]); });
  CheckGradients({Random({GetParam(), 3}, 1), Random({3, 2}, 2)},
                 [](Tape& t, const Inputs& in) { return Linear(t, in[0], in[1]); });
}

TEST_P(Batches, MatMulTransposedGradients) {
  CheckGradients({Random({GetParam(), 5}, 1), Random({4, 5}, 2)},
                 [](Tape& t, const Inputs& in) { return MatMulTransposed(t, in[0], in[1]); });
}

TEST_P(Batches, ConvolutionGradients) {
  for (const size_t k : {1, 2, 3, 5}) {
    for (const size_t dilation : {1, 2, 4}) {
      SCOPED_TRACE(::testing::Message() << "kernel " << k << " dilation " << dilation);
      CheckGradients(
          {Random({GetParam(), 7, 3}, 1), Random({k, 3, 4}, 2), Random({4}, 3)},
          [&](Tape& t, const Inputs& in) { return Conv1d(t, in[0], in[1], in[2], dilation); });
      CheckGradients({Random({GetParam(), 7, 3}, 1), Random({k, 3}, 2), Random({3}, 3)},
                     [&](Tape& t, const Inputs& in) {
                       return DepthwiseConv1d(t, in[0], in[1], in[2], dilation);
                     });
    }
  }
}

// The definition in float64, item by item.
class Kernels : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(EvenAndOdd, Kernels, ::testing::Values(4, 5));

TEST_P(Kernels, ConvolutionFollowsItsDefinitionAndKeepsItemsApart) {
  const size_t batch = 3, time = 29, in = 5, out = 4, k = GetParam(), dilation = 3;
  const size_t padding = (k - 1) / 2 * dilation;
  const Tensor x = Random({batch, time, in}, 1), w = Random({k, in, out}, 2), b = Random({out}, 3);
  ThreadPool pool(2);
  Tape tape(&pool, Mode::kForward);
  const Tensor y = Conv1d(tape, x, w, b, dilation);
  for (size_t i = 0; i < batch * time * out; ++i) {
    const size_t item = i / (time * out), t = i / out % time, o = i % out;
    auto sum = static_cast<double>(b.data()[o]);
    for (size_t j = 0; j < k; ++j) {
      const size_t from = t + j * dilation;  // counted with the padding
      if (from < padding || from >= time + padding) continue;
      for (size_t c = 0; c < in; ++c) {
        sum += static_cast<double>(x.data()[(item * time + from - padding) * in + c]) *
               static_cast<double>(w.data()[(j * in + c) * out + o]);
      }
    }
    ASSERT_NEAR(static_cast<double>(y.data()[i]), sum, 1e-5);
  }
}

TEST_P(Batches, ElementwiseGradients) {
  const Shape shape{GetParam(), 3, 5};
  const auto check = [&](float low, float high, const Function& f) {
    CheckGradients({Random(shape, 1, low, high), Random(shape, 2, low, high)}, f);
  };
  check(-2, 2, [](Tape& t, const Inputs& in) { return Add(t, in[0], Sigmoid(t, in[1])); });
  check(-2, 2, [](Tape& t, const Inputs& in) { return Mul(t, in[0], Tanh(t, in[1])); });
  check(-2, 2, [](Tape& t, const Inputs& in) { return Add(t, Mul(t, in[0], in[0]), in[1]); });
  check(-2, 2, [](Tape& t, const Inputs& in) { return Add(t, Scale(t, in[0], -3, 2), in[1]); });
  check(0.5F, 2, [](Tape& t, const Inputs& in) { return Add(t, Pow(t, in[0], -0.5F), in[1]); });
  check(-1, 1, [](Tape& t, const Inputs& in) {
    return Reshape(t, ConcatChannels(t, in[0], Mul(t, in[0], in[1])), {in[0].size() * 2});
  });
}

TEST(Elementwise, KinksHaveTheSlopeOfTheirSide) {
  const Tensor x({6}, {-2, -0.5F, -0.1F, 0.1F, 0.5F, 2});
  const auto with = [&](const Function& f) {
    const Tensor copy({6}, std::vector<float>(x.values().begin(), x.values().end()));
    CheckGradients({copy, Random({6}, 2)},
                   [&](Tape& t, const Inputs& in) { return Mul(t, f(t, {in[0]}), in[1]); });
  };
  with([](Tape& t, const Inputs& in) { return Relu(t, in[0]); });
  with([](Tape& t, const Inputs& in) { return Clamp(t, in[0], -0.3F, 1); });
}

TEST(Elementwise, ATensorUsedTwiceGetsBothGradients) {
  ThreadPool pool(1);
  Tape tape(&pool);
  const Tensor x = Tensor({1}, 3.0F).RequireGrad();
  tape.Backward(Add(tape, Mul(tape, x, x), x));
  EXPECT_EQ(x.grad()[0], 7.0F);
}

TEST_P(Batches, NormalisationAndPoolingGradients) {
  CheckGradients({Random({GetParam(), 2, 5}, 1), Random({5}, 2), Random({5}, 3)},
                 [](Tape& t, const Inputs& in) { return LayerNorm(t, in[0], in[1], in[2]); });
  CheckGradients({Random({GetParam(), 5}, 1)},
                 [](Tape& t, const Inputs& in) { return L2Normalize(t, in[0]); });
  CheckGradients({Random({GetParam(), 6, 3}, 1)},
                 [](Tape& t, const Inputs& in) { return MeanStdPool(t, in[0], 0.01F); });
}

TEST_P(Batches, GruGradients) {
  const size_t in = 3, hidden = 5;
  const Inputs inputs{Random({GetParam(), 6, in}, 1),  Random({in, 3 * hidden}, 2),
                      Random({hidden, 3 * hidden}, 3), Random({3 * hidden}, 4),
                      Random({3 * hidden}, 5),         Random({GetParam(), hidden}, 6)};
  CheckGradients(inputs, [](Tape& t, const Inputs& x) {
    return Gru(t, x[0], {x[1], x[2], x[3], x[4]}, x[5]);
  });
  CheckGradients({inputs.begin(), inputs.end() - 1}, [](Tape& t, const Inputs& x) {
    return Gru(t, x[0], {x[1], x[2], x[3], x[4]});
  });
}

TEST(Gru, GoesOnFromAState) {
  const size_t in = 3, hidden = 4, time = 7, first = 3;
  const GruWeights weights{Random({in, 3 * hidden}, 2), Random({hidden, 3 * hidden}, 3),
                           Random({3 * hidden}, 4), Random({3 * hidden}, 5)};
  const Tensor x = Random({1, time, in}, 1);
  ThreadPool pool(1);
  Tape tape(&pool, Mode::kForward);
  const Tensor whole = Gru(tape, x, weights);
  const auto begin = x.values().begin();
  const Tensor a = Gru(tape, Tensor({1, first, in}, {begin, begin + first * in}), weights);
  const Tensor state({1, hidden}, {a.values().end() - hidden, a.values().end()});
  const Tensor b = Gru(tape, Tensor({1, time - first, in}, {begin + first * in, x.values().end()}),
                       weights, state);
  for (size_t i = 0; i < whole.size(); ++i) {
    const float part = i < a.size() ? a.data()[i] : b.data()[i - a.size()];
    ASSERT_EQ(whole.data()[i], part) << i;
  }
}

TEST_P(Batches, LossGradients) {
  const size_t n = GetParam() * 4;
  std::vector<float> targets, weights;
  std::vector<int32_t> labels;
  for (size_t i = 0; i < n; ++i) {
    targets.push_back(i % 3 == 0 ? 1.0F : 0.25F);
    weights.push_back(static_cast<float>(i % 4));
    labels.push_back(static_cast<int32_t>(i % 4) - 1);
  }
  CheckGradients({Random({n}, 1, -3, 3)}, [&](Tape& t, const Inputs& in) {
    return BceWithLogits(t, in[0], targets, weights);
  });
  CheckGradients({Random({n}, 1, -3, 3)},
                 [&](Tape& t, const Inputs& in) { return BceWithLogits(t, in[0], targets); });
  CheckGradients({Random({n, 3}, 1, -3, 3)},
                 [&](Tape& t, const Inputs& in) { return SoftmaxCrossEntropy(t, in[0], labels); });
}

TEST(Losses, ValuesByHandAndNoOverflow) {
  ThreadPool pool(1);
  Tape tape(&pool, Mode::kForward);
  const auto bce = [&](float x, float target) {
    return BceWithLogits(tape, Tensor({1}, x), std::array{target}).item();
  };
  EXPECT_NEAR(bce(0, 1), 0.693147F, 1e-6F);
  EXPECT_NEAR(bce(2, 0.5F), 1.126928F, 1e-6F);  // log(1 + e^2) - 1
  EXPECT_EQ(bce(1000, 0), 1000.0F);
  EXPECT_EQ(bce(-1000, 0), 0.0F);
  EXPECT_EQ(BceWithLogits(tape, Tensor({1}, 3.0F), std::array{0.0F}, std::array{0.0F}).item(), 0);
  const auto softmax = [&](std::vector<float> x, int32_t label) {
    return SoftmaxCrossEntropy(tape, Tensor({1, 3}, std::move(x)), std::array{label}).item();
  };
  EXPECT_NEAR(softmax({0, 0, 0}, 1), 1.098612F, 1e-6F);
  EXPECT_EQ(softmax({1000, 0, 0}, 1), 1000.0F);
  EXPECT_EQ(softmax({1, 2, 3}, -1), 0.0F);
}

TEST(Dropout, DropsTheShareAskedForByItsKeyAlone) {
  const Tensor x({100, 100}, 1.0F);
  ThreadPool one(1), three(3);
  Tape tape(&one), other(&three), forward(&one, Mode::kForward);
  const Tensor y = Dropout(tape, x, 0.25F, {.seed = 5, .layer = 1, .step = 2});
  size_t dropped = 0;
  for (const float v : y.values()) {
    ASSERT_TRUE(v == 0.0F || v == 1.0F / 0.75F);
    dropped += v == 0.0F ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(dropped), 2500, 250);
  const auto values = [](const Tensor& t) {
    return std::vector<float>(t.values().begin(), t.values().end());
  };
  EXPECT_EQ(values(y), values(Dropout(other, x, 0.25F, {.seed = 5, .layer = 1, .step = 2})));
  EXPECT_NE(values(y), values(Dropout(tape, x, 0.25F, {.seed = 5, .layer = 1, .step = 3})));
  EXPECT_NE(values(y), values(Dropout(tape, x, 0.25F, {.seed = 5, .layer = 2, .step = 2})));
  EXPECT_NE(values(y), values(Dropout(tape, x, 0.25F, {.seed = 6, .layer = 1, .step = 2})));
  EXPECT_EQ(values(x), values(Dropout(forward, x, 0.25F, {.seed = 5, .layer = 1, .step = 2})));
  CheckGradients({Random({3, 5}, 1)}, [&](Tape& t, const Inputs& in) {
    // The same elements in both modes, so that differences see what the gradient saw.
    Tape draws(&one);
    return Mul(t, in[0], Dropout(draws, Tensor({3, 5}, 1.0F), 0.5F, {.seed = 1}));
  });
}

TEST(Tape, ForwardRecordsNothingAndFreesActivations) {
  ThreadPool pool(1);
  const Tensor w = Random({4, 4}, 1).RequireGrad();
  Tape forward(&pool, Mode::kForward);
  const Tensor y = Relu(forward, Linear(forward, Random({2, 4}, 2), w));
  EXPECT_EQ(forward.steps(), 0U);
  EXPECT_FALSE(y.requires_grad());
  Tape tape(&pool);
  const Tensor constant = Relu(tape, Random({2, 4}, 2));  // leads from no parameter
  EXPECT_EQ(tape.steps(), 0U);
  EXPECT_FALSE(constant.requires_grad());
}

TEST(Tape, FrozenWeightsGetNoGradientAndPassItOn) {
  ThreadPool pool(1);
  Tape tape(&pool);
  const Tensor frozen = Random({4, 3}, 1), a = Random({5, 4}, 2).RequireGrad();
  tape.Backward(Mean(tape, Linear(tape, a, frozen)));
  EXPECT_TRUE(a.has_grad());
  EXPECT_FALSE(frozen.has_grad());
}

}  // namespace
}  // namespace wring::testing
