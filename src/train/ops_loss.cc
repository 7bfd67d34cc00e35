// Losses add up in float64 from the first element to the last.
#include <algorithm>
#include <cmath>
#include <vector>

#include "train/ops.h"

namespace wring::train {
namespace {

Tensor Single(double value) { return Tensor({1}, static_cast<float>(value)); }

// A loss whose gradient is `slopes` times the loss's own.
Tensor WithSlopes(Tape& tape, double value, const Tensor& x, std::vector<float> slopes) {
  Tensor loss = Single(value);
  if (!tape.Wants({x})) return loss;
  tape.Record(loss, [x, loss, slopes = std::move(slopes)] {
    const float d = loss.grad()[0];
    float* dx = x.grad();
    for (size_t i = 0; i < slopes.size(); ++i) dx[i] += d * slopes[i];
  });
  return loss;
}

}  // namespace

Tensor Mean(Tape& tape, const Tensor& x) {
  double sum = 0;
  for (float v : x.values()) sum += static_cast<double>(v);
  const auto count = static_cast<double>(x.size());
  return WithSlopes(tape, sum / count, x,
                    std::vector<float>(x.size(), static_cast<float>(1.0 / count)));
}

Tensor BceWithLogits(Tape& tape, const Tensor& logits, std::span<const float> targets,
                     std::span<const float> weights) {
  assert(targets.size() == logits.size());
  assert(weights.empty() || weights.size() == logits.size());
  std::vector<float> slopes(logits.size());
  double sum = 0, total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const float x = logits.data()[i];
    const float weight = weights.empty() ? 1.0F : weights[i];
    // softplus(x) = max(x, 0) + log(1 + exp(-|x|)) overflows nowhere.
    const float small = std::exp(-std::abs(x));
    sum += static_cast<double>(weight * (std::max(x, 0.0F) + std::log1p(small) - targets[i] * x));
    total += static_cast<double>(weight);
    const float sigmoid = (x >= 0 ? 1.0F : small) / (1.0F + small);
    slopes[i] = weight * (sigmoid - targets[i]);
  }
  const double scale = total > 0 ? 1.0 / total : 0.0;
  for (float& slope : slopes) slope *= static_cast<float>(scale);
  return WithSlopes(tape, sum * scale, logits, std::move(slopes));
}

Tensor SoftmaxCrossEntropy(Tape& tape, const Tensor& logits, std::span<const int32_t> labels) {
  const size_t classes = logits.channels();
  assert(labels.size() == logits.rows());
  const auto counted =
      std::count_if(labels.begin(), labels.end(), [](int32_t l) { return l >= 0; });
  const float scale = counted > 0 ? 1.0F / static_cast<float>(counted) : 0.0F;
  std::vector<float> slopes(logits.size());
  std::vector<float> losses(labels.size());
  tape.pool().ParallelFor(labels.size(), 4096 / classes + 1, [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      if (labels[r] < 0) continue;
      const auto label = static_cast<size_t>(labels[r]);
      assert(label < classes);
      const float* x = logits.data() + r * classes;
      float* slope = slopes.data() + r * classes;
      const float top = *std::max_element(x, x + classes);
      float sum = 0;
      for (size_t c = 0; c < classes; ++c) sum += slope[c] = std::exp(x[c] - top);
      for (size_t c = 0; c < classes; ++c) slope[c] *= scale / sum;
      slope[label] -= scale;
      losses[r] = std::log(std::max(sum, 1.0F)) + top - x[label];  // one term is exp(0)
    }
  });
  double sum = 0;
  for (float loss : losses) sum += static_cast<double>(loss);
  return WithSlopes(tape, sum * static_cast<double>(scale), logits, std::move(slopes));
}

}  // namespace wring::train
