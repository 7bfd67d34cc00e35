// Memory and work of a training step: parameters, gradients, optimiser states, and the activations that the backward pass
// needs, from the op list as it stands unfused (Korthikanti et al. 2022 count the same for a plain transformer: 34 s b h +
// 5 a s^2 b bytes a layer in 16 bits).
#pragma once

#include "model/model_spec.h"

namespace wring::analyze {

struct TrainingOptions {
  uint32_t batch = 1, length = 512;
  double parameter_bytes = 4, gradient_bytes = 4,
         optimizer_bytes = 8;  // a parameter; Adam holds two states
  double activation_bytes = 2;
  bool dropout = true;  // masks of a byte after attention's weights and before both residual sums
};

struct TrainingCost {
  double parameters = 0;  // how many
  double parameter_bytes = 0, gradient_bytes = 0, optimizer_bytes = 0;
  double activation_bytes = 0;  // all kept
  double rematerialized_bytes =
      0;             // the inputs of the layers kept, the others of one layer at a time
  double flops = 0;  // a step: forward, and twice that backward
  double rematerialized_flops = 0;  // the forward pass of the layers once more
};

TrainingCost PriceTraining(const ModelSpec& spec, const TrainingOptions& options);

}  // namespace wring::analyze
