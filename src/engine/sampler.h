// From logits to a token. Draws are keyed by (seed, choice, position, vocabulary index), so that the same
// request gives the same text whatever runs beside it (contract 7).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/dry.h"
#include "model/draw.h"

namespace wring {

struct SamplingParams {
  float temperature = 0.0F;           // 0: greedy
  float temperature_range = 0.0F;     // dynamic: temperature +- this, by entropy; 0: fixed
  float temperature_exponent = 1.0F;  // of the normalised entropy
  int32_t top_k = 0;                  // 0: off
  float typical_p = 1.0F;             // 1: off
  float top_p = 1.0F;
  float min_p = 0.0F;
  float top_n_sigma = 0.0F;      // 0: off
  float xtc_probability = 0.0F;  // 0: off
  float xtc_threshold = 0.1F;
  float repetition_penalty =
      1.0F;  // divides positive logits of seen tokens, multiplies negative ones
  float presence_penalty = 0.0F;   // taken off once for a seen token
  float frequency_penalty = 0.0F;  // taken off for each time it was seen
  DryParams dry;
  uint64_t seed = 0;
  uint32_t choice = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;
};

// kInvalid with the range when a parameter is outside of it or is not a number.
Status CheckSampling(const SamplingParams& params);

struct SampleContext {
  std::span<const int32_t> history{};  // ids seen so far, for the penalties
  uint32_t position = 0;               // of the token to be drawn
  uint32_t unbroken = UINT32_MAX;  // ids at history's end since a sequence breaker (SequenceBreaks)
  std::span<const uint32_t> allowed{};  // bit id: may be drawn; empty: every id
};

struct Candidate {
  float logit;  // after temperature
  int32_t id;
};

// What the chain leaves to draw from, never nothing unless `allowed` has no bit. The order is fixed:
//   1. allowed: ids without their bit go, those beyond its words too
//   2. logit bias
//   3. repetition, presence and frequency penalty
//   4. DRY (dry.h)
//   5. temperature 0: the largest logit, the smallest id among equals, and the end
//   6. top-n-sigma (Tang et al. 2024): logits at least max - n * standard deviation
//   7. temperature; dynamic: low + (high - low) * (entropy / log(candidates)) ^ exponent, with low and high
//      = temperature -+ range, low at least 0
//   8. top-k
//   9. typical (Meister et al. 2022): those whose surprise is nearest the entropy, up to probability typical_p
//  10. top-p: the most likely ones up to probability top_p
//  11. min-p: those at least min_p times as likely as the best
//  12. XTC: by a draw with xtc_probability, all of at least xtc_threshold but the least likely of them go
// Each works on the probabilities of what those before it left.
std::vector<Candidate> Candidates(std::span<const float> logits, const SamplingParams& params,
                                  const SampleContext& context);

// One of Candidates by its probability; -1 when there is none.
int32_t Sample(std::span<const float> logits, const SamplingParams& params,
               const SampleContext& context);
inline int32_t Sample(std::span<const float> logits, const SamplingParams& params,
                      std::span<const int32_t> history, uint32_t position) {
  return Sample(logits, params, SampleContext{.history = history, .position = position});
}

// The part of the chain that a device draws by itself: bias, penalties, temperature, top-k, top-p and min-p.
bool CanDrawOnDevice(const SamplingParams& params);
SlotDraw DrawOnDevice(const SamplingParams& params, std::span<const int32_t> history,
                      uint32_t position);

// The natural-log probability of `token`.
double LogProbability(std::span<const float> logits, int32_t token);

}  // namespace wring
