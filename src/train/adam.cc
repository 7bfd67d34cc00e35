#include "train/adam.h"

#include <cmath>
#include <numbers>

namespace wring::train {

Result<double> Adam::Step(ThreadPool& pool, double rate) {
  const auto& list = parameters_->list();
  double squares = 0;
  for (const auto& parameter : list) {
    if (!parameter.tensor.requires_grad() || !parameter.tensor.has_grad()) continue;
    const float* g = parameter.tensor.grad();
    for (size_t i = 0; i < parameter.tensor.size(); ++i) {
      squares += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    }
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) {
    return Error(
        Code::kInvalid,
        "training step {}: the gradient is not finite; lower the learning rate or clip the "
        "gradient",
        steps_ + 1);
  }
  const bool clips = options_.clip_norm > 0 && norm > options_.clip_norm;
  ++steps_;
  moments_.resize(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].tensor.requires_grad() || !list[i].tensor.has_grad()) continue;
    Update(list[i], &moments_[i], pool, rate, clips ? options_.clip_norm / norm : 1.0);
  }
  parameters_->ClearGradients();
  return norm;
}

void Adam::Update(const Parameter& parameter, Moments* moments, ThreadPool& pool, double rate,
                  double scale) const {
  const size_t n = parameter.tensor.size();
  moments->mean.resize(n);
  moments->square.resize(n);
  const auto t = static_cast<double>(steps_);
  // The two corrections once in float64; what runs over all values is float32.
  const double correct1 = 1.0 - std::pow(options_.beta1, t);
  const double correct2 = 1.0 - std::pow(options_.beta2, t);
  const auto b1 = static_cast<float>(options_.beta1), a1 = static_cast<float>(1 - options_.beta1);
  const auto b2 = static_cast<float>(options_.beta2), a2 = static_cast<float>(1 - options_.beta2);
  const auto step = static_cast<float>(rate / correct1);
  const auto root = static_cast<float>(1.0 / correct2);
  const auto epsilon = static_cast<float>(options_.epsilon);
  const auto factor = static_cast<float>(scale);
  const auto keep = static_cast<float>(parameter.decays ? 1.0 - rate * options_.weight_decay : 1.0);
  float* p = parameter.tensor.data();
  const float* g = parameter.tensor.grad();
  float* m = moments->mean.data();
  float* v = moments->square.data();
  pool.ParallelFor(n, 16384, [=](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) {
      const float d = g[i] * factor;
      m[i] = b1 * m[i] + a1 * d;
      v[i] = b2 * v[i] + a2 * d * d;
      p[i] = keep * p[i] - step * m[i] / (std::sqrt(v[i] * root) + epsilon);
    }
  });
}

double Schedule::Rate(uint64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (step >= total) return floor;
  const double done = static_cast<double>(step - warmup) / static_cast<double>(total - warmup);
  return floor + (peak - floor) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

}  // namespace wring::train
