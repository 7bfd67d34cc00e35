#include "cli/score.h"

#include <algorithm>
#include <cmath>

namespace wring::cli {
namespace {

double LogSumExp(std::span<const float> x) {
  const double peak = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float v : x) sum += std::exp(v - peak);
  return peak + std::log(sum);
}

size_t ArgMax(std::span<const float> x) {
  return static_cast<size_t>(std::max_element(x.begin(), x.end()) - x.begin());
}

}  // namespace

void Mean::Add(double x) {
  ++count_;
  const double before = x - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (x - mean_);
}

Estimate Mean::Get() const {
  if (count_ < 2) return {mean_, 0};
  const auto n = static_cast<double>(count_);
  return {mean_, std::sqrt(squares_ / (n - 1) / n)};
}

void LogSoftmax(std::span<const float> logits, std::vector<float>* log_probabilities) {
  const double total = LogSumExp(logits);
  log_probabilities->resize(logits.size());
  std::transform(logits.begin(), logits.end(), log_probabilities->begin(),
                 [total](float x) { return static_cast<float>(x - total); });
}

void Divergence::Add(std::span<const float> base, std::span<const float> ours, int32_t target) {
  const double total = LogSumExp(base);
  double sum = 0;
  for (size_t i = 0; i < base.size(); ++i) {
    const double b = base[i] - total;
    sum += std::exp(b) * (b - ours[i]);
  }
  kl.Add(sum);
  const double b = base[static_cast<size_t>(target)] - total;
  const double o = ours[static_cast<size_t>(target)];
  const double change = std::exp(o) - std::exp(b);
  squared_change.Add(change * change);
  same_top.Add(ArgMax(base) == ArgMax(ours) ? 1 : 0);
  base_loss.Add(-b);
  loss_difference.Add(b - o);
}

Estimate Perplexity(const Estimate& loss) {
  const double p = std::exp(loss.value);
  return {p, p * loss.error};
}

Estimate Root(const Estimate& squares) {
  const double r = std::sqrt(squares.value);
  return {r, r > 0 ? squares.error / (2 * r) : 0};
}

}  // namespace wring::cli
