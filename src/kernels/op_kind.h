// The kinds of op a step is made of. A kernel registers for one of these.
#pragma once

#include <cstdint>
#include <string_view>

namespace wring {

enum class OpKind : uint8_t {
  kEmbed,  // rows of an embedding, scaled, by token, by position or row 0
  kRmsNorm,
  kLayerNorm,
  kHeadNorm,  // RMS norm of each head on its own
  kLinear,    // one or more matrices over one input, with bias and residual
  kRope,      // rotates the heads of queries by position
  kKvAppend,  // writes keys and values into the cache; the codec decides whether keys are rotated
  kAttend,    // attend(q, segments)
  kSiluMul,   // silu(gate) * up
  kGeluMul,   // gelu(gate) * up, the tanh form
  kGelu,      // gelu, the exact form
  kAdd,       // residual sum
  kSelect,    // gathers the rows whose logits are wanted
  kSoftCap,   // cap * tanh(x / cap)
  kPool,      // one vector a sequence: mean over its rows, or the first
  kGather,    // ranks: every rank gets the columns that each computed
  kReduce,    // ranks: every rank gets the sum
};
inline constexpr uint32_t kOpKinds = 17;

constexpr std::string_view OpName(OpKind kind) {
  constexpr std::string_view kNames[] = {
      "embed",     "rms_norm", "layer_norm", "head_norm", "linear", "rope",
      "kv_append", "attend",   "silu_mul",   "gelu_mul",  "gelu",   "add",
      "select",    "soft_cap", "pool",       "gather",    "reduce"};
  return kNames[static_cast<uint32_t>(kind)];
}

}  // namespace wring
