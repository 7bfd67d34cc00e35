// Draws tokens from logits where they are (model/draw.h).
#pragma once

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

struct EditArg {
  int32_t id;
  float bias;
  uint32_t count;
};

// One slot. The logits are changed: edited, forbidden ones -infinity, divided by the temperature.
struct DrawArg {
  uint64_t seed;
  float* logits;
  const EditArg* edits;
  const uint32_t* allowed;  // null: every id
  uint32_t edit_count, allowed_words;
  float temperature;
  uint32_t top_k;
  float top_p, min_p;
  float repetition_penalty, presence_penalty, frequency_penalty;
  uint32_t choice, position;
  int32_t* token;
};

// `draws`: in device memory, as what they point to.
void DrawTokens(Launcher&, const DrawArg* draws, uint32_t count, uint32_t vocab);

}  // namespace wring::cuda
