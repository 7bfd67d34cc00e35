// From logits to a token. Draws are keyed by (seed, choice, position, vocabulary index), so that the same
// request gives the same text whatever runs beside it (contract 7).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace wring {

struct SamplingParams {
  float temperature = 0.0F;  // 0: greedy
  int32_t top_k = 0;         // 0: off
  float top_p = 1.0F;
  float min_p = 0.0F;
  float repetition_penalty =
      1.0F;  // divides positive logits of seen tokens, multiplies negative ones
  float presence_penalty = 0.0F;   // taken off once for a seen token
  float frequency_penalty = 0.0F;  // taken off for each time it was seen
  uint64_t seed = 0;
  uint32_t choice = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;
};

// Order of work: bias, penalties over `history`, temperature, top-k, top-p, min-p, draw. Greedy takes the
// largest logit, the smallest id among equals. `position` is that of the token to be drawn.
int32_t Sample(std::span<const float> logits, const SamplingParams& params,
               std::span<const int32_t> history, uint32_t position);

// The natural-log probability of `token`.
double LogProbability(std::span<const float> logits, int32_t token);

}  // namespace wring
