// Sums over scored tokens: perplexity, and divergence from a reference distribution.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace wring::cli {

// A mean and its standard error.
struct Estimate {
  double value = 0, error = 0;
};

class Mean {
 public:
  void Add(double x);
  uint64_t count() const { return count_; }
  Estimate Get() const;

 private:
  uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;  // Welford's sums
};

// Natural-log probabilities of all tokens, computed in float64.
void LogSoftmax(std::span<const float> logits, std::vector<float>* log_probabilities);

struct Divergence {
  Mean kl;               // sum p_base (log p_base - log p)
  Mean squared_change;   // (p - p_base)^2 of the text's token
  Mean same_top;         // 1 where both find the same token most likely
  Mean base_loss;        // of the reference
  Mean loss_difference;  // paired

  // Log-probabilities of one position; `base` need not be normalised (a stored form rounds it).
  void Add(std::span<const float> base, std::span<const float> ours, int32_t target);
};

// exp(mean loss), its error by the chain rule.
Estimate Perplexity(const Estimate& loss);
// sqrt of a mean square, likewise.
Estimate Root(const Estimate& squares);

}  // namespace wring::cli
