// Gemma 3 (text): norms of heads; every sixth layer is global, with a RoPE of its own.
#include "model/arch/gemma.h"

namespace wring {
namespace {

constexpr uint32_t kPeriod = 6;

Result<ModelSpec> Spec(const ConfigView& c) {
  const auto period = c.Int("sliding_window_pattern", "attention.sliding_window_pattern");
  const bool sane = period && *period > 0 && *period < 1024;
  WRING_ASSIGN(ModelSpec s,
               gemma::CommonSpec(c, "gemma3", sane ? static_cast<uint32_t>(*period) : kPeriod));
  s.qk_norm = true;
  // Newer configurations hold two objects, one a kind of layer.
  WRING_TRY(decoder::ReadRope(c,
                              c.get_number("rope_parameters.full_attention.rope_theta")
                                  ? "rope_parameters.full_attention"
                                  : "rope_parameters",
                              &s));
  RopeSpec local;
  local.dims = s.ropes[0].dims;
  auto theta = c.Number("rope_local_base_freq", "rope.freq_base_swa");
  if (!theta && !c.gguf()) theta = c.get_number("rope_parameters.sliding_attention.rope_theta");
  local.theta = theta.value_or(10000.0);
  if (!(local.theta > 1e-3) || !(local.theta < 1e15)) {
    return Error(Code::kCorrupt, "{}: RoPE theta {} of local layers cannot be: it is damaged",
                 c.what, local.theta);
  }
  s.ropes.push_back(local);
  return s;
}

}  // namespace

const Architecture& Gemma3() {
  static const Architecture arch = {"gemma3", "gemma3_text", Spec, decoder::Ops, gemma::Weights};
  return arch;
}

}  // namespace wring
