// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019, "AdamW"),
// clipping of the gradient by its global norm (Pascanu et al. 2013), and the rate's schedule.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "train/parameters.h"

namespace wring::train {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // for parameters that decay
  double clip_norm = 0;     // 0: no clipping
};

// For step t = 1, 2, ... with gradient g (scaled so that its norm over all parameters is at most
// clip_norm):  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
//   p -= rate * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + weight_decay * p).
class Adam {
 public:
  // `parameters` outlives this; those added later take part from then on.
  explicit Adam(const Parameters* parameters, const AdamOptions& options = {})
      : parameters_(parameters), options_(options) {}

  // Takes one step and clears the gradients; the norm before clipping. A parameter without a
  // gradient stays as it is. Fails, and changes nothing, when the norm is not finite.
  Result<double> Step(ThreadPool& pool, double rate);
  uint64_t steps() const { return steps_; }

 private:
  struct Moments {
    std::vector<float> mean, square;
  };
  void Update(const Parameter& parameter, Moments* moments, ThreadPool& pool, double rate,
              double scale) const;

  const Parameters* parameters_;
  AdamOptions options_;
  uint64_t steps_ = 0;
  std::vector<Moments> moments_;  // as parameters_->list()
};

// Linear from 0 to `peak` over `warmup` steps, then half a cosine down to `floor` at step `total`
// (Loshchilov and Hutter 2017); `floor` afterwards. Step 0 is the first, and its rate is not 0.
struct Schedule {
  double peak = 1e-3;
  uint64_t warmup = 0, total = 1;
  double floor = 0;
  double Rate(uint64_t step) const;
};

}  // namespace wring::train
