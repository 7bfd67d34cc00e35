// Phi-3 and Phi-4-mini: Llama whose q, k, v and whose gate and up are one stored tensor each; LongRoPE; some
// sizes attend to a window.
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "phi3"));
  WRING_TRY(decoder::ReadWindow(c, 0, &s));
  return s;
}

std::vector<WeightDecl> Weights(const ModelSpec& s, ConfigView::Naming naming) {
  using enum WeightRole;
  auto all = decoder::Weights(s, naming);
  const bool gguf = naming == ConfigView::Naming::kGguf;
  const uint32_t qkv = s.q_width() + 2 * s.kv_width();
  for (WeightDecl& d : all) {
    const auto part = [&](std::string_view hf, std::string_view name, uint32_t first,
                          uint32_t rows) {
      d.name =
          fmt::format("{}.{}.{}", gguf ? "blk" : "model.layers", d.ref.layer, gguf ? name : hf);
      d.first_row = first;
      d.stored_rows = rows;
    };
    switch (d.ref.role) {
      case kQ: part("self_attn.qkv_proj.weight", "attn_qkv.weight", 0, qkv); break;
      case kK: part("self_attn.qkv_proj.weight", "attn_qkv.weight", s.q_width(), qkv); break;
      case kV:
        part("self_attn.qkv_proj.weight", "attn_qkv.weight", s.q_width() + s.kv_width(), qkv);
        break;
      case kGate: part("mlp.gate_up_proj.weight", "ffn_up.weight", 0, 2 * s.ffn); break;
      case kUp: part("mlp.gate_up_proj.weight", "ffn_up.weight", s.ffn, 2 * s.ffn); break;
      default: break;
    }
  }
  return all;
}

}  // namespace

const Architecture& Phi3() {
  static const Architecture arch = {"phi3", "phi3", Spec, decoder::Ops, Weights};
  return arch;
}

}  // namespace wring
