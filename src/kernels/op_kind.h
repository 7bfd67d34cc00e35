// The kinds of op a step is made of. A kernel registers for one of these.
#pragma once

#include <cstdint>
#include <string_view>

namespace wring {

enum class OpKind : uint8_t {
  kEmbed,  // token ids -> rows of the embedding
  kRmsNorm,
  kLinear,    // one or more matrices over one input, with bias and residual
  kRope,      // rotates the heads of queries by position
  kKvAppend,  // writes keys and values into the cache; the codec decides whether keys are rotated
  kAttend,    // attend(q, segments)
  kSiluMul,   // silu(gate) * up
  kSelect,    // gathers the rows whose logits are wanted
};
inline constexpr uint32_t kOpKinds = 8;

constexpr std::string_view OpName(OpKind kind) {
  constexpr std::string_view kNames[] = {"embed",     "rms_norm", "linear",   "rope",
                                         "kv_append", "attend",   "silu_mul", "select"};
  return kNames[static_cast<uint32_t>(kind)];
}

}  // namespace wring
