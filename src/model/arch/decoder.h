// What the pre-norm decoders with rotary attention and a gated feed-forward share (Llama, Qwen2).
#pragma once

#include "model/arch/architecture.h"

namespace wring::decoder {

// The numbers common to both namings; biases are left to the architecture.
Result<ModelSpec> CommonSpec(const ConfigView& config, std::string_view architecture);

// norm, q k v, rope, append, attend, o (+ residual), norm, gate up, silu, down (+ residual); head.
std::vector<Op> Ops(const ModelSpec& spec);

}  // namespace wring::decoder
