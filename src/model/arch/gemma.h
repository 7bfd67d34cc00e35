// What Gemma 2 and 3 share: embeddings scaled by sqrt(hidden), norms before and after each branch whose stored
// weights lack 1 in Hugging Face's files, a gelu gate, local and global layers.
#pragma once

#include "model/arch/decoder.h"

namespace wring::gemma {

// `period`: every so many layers one is global.
Result<ModelSpec> CommonSpec(const ConfigView& config, std::string_view architecture,
                             uint32_t period);
std::vector<WeightDecl> Weights(const ModelSpec& spec, ConfigView::Naming naming);

}  // namespace wring::gemma
