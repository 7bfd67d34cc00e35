// Operations and memory operations as "AI and Memory Wall" (Gholami et al. 2024) counts them: each matrix product on its own,
// unfused, elements instead of bytes; a product with a bias is 2 k operations an output, one of two activations 2 k - 1; a
// decoder makes its tokens one by one and reads weights and all earlier tokens again for each. Without embedding and head.
#pragma once

#include <cstdint>

#include "model/model_spec.h"

namespace wring::analyze {

struct PaperCost {
  double flops = 0;
  double mops = 0;  // elements moved
  double intensity() const { return mops > 0 ? flops / mops : 0; }
  PaperCost& operator+=(const PaperCost& o);
};

struct PaperCosts {
  PaperCost projections;  // of attention: q, k, v, o
  PaperCost attention;    // queries by keys, and weights by values
  PaperCost ffn;
  PaperCost all() const;
};

// Of `length` tokens: at once where the spec is an encoder's, else one by one.
PaperCosts CountAsPaper(const ModelSpec& spec, uint32_t length);

// The shape of BERT (Devlin et al. 2018) or, made causal, of GPT-2 (Radford et al. 2019): two matrices of feed-forward, biases.
ModelSpec PlainTransformer(uint32_t layers, uint32_t hidden, uint32_t heads, uint32_t ffn,
                           bool causal);

}  // namespace wring::analyze
