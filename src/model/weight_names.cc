#include <array>
#include <string_view>

#include "model/weights.h"

namespace wring {
namespace {

struct Names {
  WeightRole role;
  std::string_view hf;    // after "model.layers.N." for those of a layer
  std::string_view gguf;  // after "blk.N."
};

constexpr std::array<Names, kWeightRoles> kNames = {{
    {WeightRole::kEmbedding, "model.embed_tokens.weight", "token_embd.weight"},
    {WeightRole::kHead, "lm_head.weight", "output.weight"},
    {WeightRole::kFinalNorm, "model.norm.weight", "output_norm.weight"},
    {WeightRole::kAttentionNorm, "input_layernorm.weight", "attn_norm.weight"},
    {WeightRole::kQ, "self_attn.q_proj.weight", "attn_q.weight"},
    {WeightRole::kK, "self_attn.k_proj.weight", "attn_k.weight"},
    {WeightRole::kV, "self_attn.v_proj.weight", "attn_v.weight"},
    {WeightRole::kO, "self_attn.o_proj.weight", "attn_output.weight"},
    {WeightRole::kQBias, "self_attn.q_proj.bias", "attn_q.bias"},
    {WeightRole::kKBias, "self_attn.k_proj.bias", "attn_k.bias"},
    {WeightRole::kVBias, "self_attn.v_proj.bias", "attn_v.bias"},
    {WeightRole::kOBias, "self_attn.o_proj.bias", "attn_output.bias"},
    {WeightRole::kFfnNorm, "post_attention_layernorm.weight", "ffn_norm.weight"},
    {WeightRole::kGate, "mlp.gate_proj.weight", "ffn_gate.weight"},
    {WeightRole::kUp, "mlp.up_proj.weight", "ffn_up.weight"},
    {WeightRole::kDown, "mlp.down_proj.weight", "ffn_down.weight"},
    {WeightRole::kGateBias, "mlp.gate_proj.bias", "ffn_gate.bias"},
    {WeightRole::kUpBias, "mlp.up_proj.bias", "ffn_up.bias"},
    {WeightRole::kDownBias, "mlp.down_proj.bias", "ffn_down.bias"},
}};

bool OfModel(WeightRole role) {
  return role == WeightRole::kEmbedding || role == WeightRole::kHead ||
         role == WeightRole::kFinalNorm;
}

}  // namespace

std::string WeightName(ConfigView::Naming naming, WeightRef ref) {
  const Names& n = kNames[static_cast<size_t>(ref.role)];
  const bool gguf = naming == ConfigView::Naming::kGguf;
  const std::string_view name = gguf ? n.gguf : n.hf;
  if (OfModel(ref.role)) return std::string(name);
  return fmt::format("{}{}.{}", gguf ? "blk." : "model.layers.", ref.layer, name);
}

}  // namespace wring
