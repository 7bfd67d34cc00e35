// Small networks learn, and learn the same bits with any number of threads.
#include <vector>

#include "base/rng.h"
#include "gradient_check.h"
#include "train/adam.h"

namespace wring::testing {
namespace {

using namespace train;  // NOLINT: the subject

constexpr size_t kBatch = 16, kTime = 24;

// Bits, and for each frame whether the bits one and three frames before it differ. No single frame
// tells.
struct Xor {
  Tensor x{{kBatch, kTime, 1}};
  std::vector<float> targets, weights;

  explicit Xor(uint32_t stream) {
    for (size_t i = 0; i < kBatch * kTime; ++i) {
      const auto words = Philox({static_cast<uint32_t>(i), stream, 0, 0}, 11);
      x.data()[i] = (words[0] & 1U) != 0 ? 1.0F : -1.0F;
    }
    for (size_t i = 0; i < kBatch * kTime; ++i) {
      const bool known = i % kTime >= 3;
      weights.push_back(known ? 1.0F : 0.0F);
      targets.push_back(known && x.data()[i - 1] != x.data()[i - 3] ? 1.0F : 0.0F);
    }
  }
};

using Network = std::function<Tensor(Tape&, const Tensor&)>;

double Accuracy(ThreadPool& pool, const Network& network, const Xor& data) {
  Tape tape(&pool, Mode::kForward);
  const Tensor logits = network(tape, data.x);
  double right = 0, all = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (data.weights[i] == 0) continue;
    all += 1;
    right += (logits.data()[i] > 0) == (data.targets[i] > 0.5F) ? 1 : 0;
  }
  return right / all;
}

// Trains, then gives the accuracy on sequences that were not seen.
double Train(ThreadPool& pool, const Parameters& parameters, const Network& network, size_t steps,
             double peak) {
  Adam adam(&parameters, {.weight_decay = 1e-4, .clip_norm = 1});
  const Schedule schedule{.peak = peak, .warmup = 10, .total = steps};
  for (size_t step = 0; step < steps; ++step) {
    const Xor data(static_cast<uint32_t>(step));
    Tape tape(&pool);
    tape.Backward(BceWithLogits(tape, network(tape, data.x), data.targets, data.weights));
    EXPECT_TRUE(adam.Step(pool, schedule.Rate(step)).ok());
  }
  return Accuracy(pool, network, Xor(1'000'000));
}

Network GruNetwork(Parameters& p) {
  const size_t hidden = 20;
  const GruWeights gru{p.Add("gru.w", {1, 3 * hidden}, Init::kXavier),
                       p.Add("gru.u", {hidden, 3 * hidden}, Init::kXavier),
                       p.Add("gru.bx", {3 * hidden}, Init::kZero),
                       p.Add("gru.bh", {3 * hidden}, Init::kZero)};
  const Tensor head = p.Add("head.w", {hidden, 1}, Init::kXavier);
  const Tensor bias = p.Add("head.b", {1}, Init::kZero);
  return [=](Tape& t, const Tensor& x) { return Linear(t, Gru(t, x, gru), head, bias); };
}

Network ConvolutionNetwork(Parameters& p) {
  const size_t n = 24;
  const Tensor w1 = p.Add("conv1.w", {3, 1, n}, Init::kHe), b1 = p.Add("conv1.b", {n}, Init::kZero);
  const Tensor gain = p.Add("norm.gain", {n}, Init::kOne),
               bias = p.Add("norm.bias", {n}, Init::kZero);
  const Tensor depth = p.Add("conv2.depth", {3, n}, Init::kHe);
  const Tensor w2 = p.Add("conv2.w", {n, n}, Init::kHe), b2 = p.Add("conv2.b", {n}, Init::kZero);
  const Tensor head = p.Add("head.w", {n, 1}, Init::kXavier),
               last = p.Add("head.b", {1}, Init::kZero);
  return [=](Tape& t, const Tensor& x) {
    Tensor y = Relu(t, LayerNorm(t, Conv1d(t, x, w1, b1), gain, bias));
    y = Dropout(t, y, 0.02F, {.seed = 3});
    y = Relu(t, Linear(t, DepthwiseConv1d(t, y, depth, {}, 2), w2, b2));
    return Linear(t, y, head, last);
  };
}

TEST(Learning, GruLearnsADelayedXor) {
  ThreadPool pool(2);
  Parameters parameters(1);
  const Network network = GruNetwork(parameters);
  EXPECT_LT(Accuracy(pool, network, Xor(5)), 0.7);
  EXPECT_GT(Train(pool, parameters, network, 400, 0.02), 0.99);
}

TEST(Learning, ConvolutionsLearnADelayedXor) {
  ThreadPool pool(2);
  Parameters parameters(1);
  const Network network = ConvolutionNetwork(parameters);
  EXPECT_LT(Accuracy(pool, network, Xor(5)), 0.7);
  EXPECT_GT(Train(pool, parameters, network, 400, 0.02), 0.99);
}

// Speaker network in small: pooled statistics, cosines with class vectors.
Network Embedder(Parameters& p) {
  const size_t n = 48;
  const Tensor w = p.Add("conv.w", {5, 40, n}, Init::kHe), b = p.Add("conv.b", {n}, Init::kZero);
  const Tensor e = p.Add("embed.w", {2 * n, 32}, Init::kXavier);
  const Tensor classes = p.Add("classes", {10, 32}, Init::kXavier);
  return [=](Tape& t, const Tensor& x) {
    const Tensor pooled = MeanStdPool(t, Relu(t, Conv1d(t, x, w, b, 2)));
    const Tensor embedding = L2Normalize(t, Linear(t, pooled, e));
    return Scale(t, MatMulTransposed(t, embedding, L2Normalize(t, classes)), 20);
  };
}

TEST(Learning, ThreadsChangeNoBit) {
  const auto bytes = [](size_t threads) {
    ThreadPool pool(threads);
    Parameters parameters(1), embedder(2);
    Train(pool, parameters, GruNetwork(parameters), 5, 0.02);
    Parameters convolutions(1);
    Train(pool, convolutions, ConvolutionNetwork(convolutions), 5, 0.02);
    const Network network = Embedder(embedder);
    const std::vector<int32_t> labels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1};
    Adam adam(&embedder);
    for (uint32_t step = 0; step < 3; ++step) {
      Tape tape(&pool);
      // An odd length: chunks of rows begin and end inside items.
      const Tensor x = Dropout(tape, Random({12, 151, 40}, step), 0.1F, {.seed = 1, .step = step});
      tape.Backward(SoftmaxCrossEntropy(tape, network(tape, x), labels));
      EXPECT_TRUE(adam.Step(pool, 0.01).ok());
    }
    return *parameters.Bytes() + *convolutions.Bytes() + *embedder.Bytes();
  };
  const std::string one = bytes(1);
  EXPECT_EQ(one, bytes(1));
  EXPECT_TRUE(one == bytes(2));
  EXPECT_TRUE(one == bytes(3));
}

}  // namespace
}  // namespace wring::testing
