#include "model/arch/decoder.h"

#include <cmath>

namespace wring::decoder {
namespace {

Op Norm(uint32_t layer, WeightRole role) {
  Op op;
  op.kind = OpKind::kRmsNorm;
  op.layer = layer;
  op.in = Slot::kHidden;
  op.out = Slot::kNormed;
  op.weight = {role, layer};
  return op;
}

Op Linear(uint32_t layer, Slot in, WeightRole weight, Slot out, bool has_bias, WeightRole bias,
          bool add = false) {
  Op op;
  op.kind = OpKind::kLinear;
  op.layer = layer;
  op.in = in;
  op.parts = {{{weight, layer}, {bias, layer}, has_bias, out}};
  op.add_to_out = add;
  return op;
}

}  // namespace

Result<ModelSpec> CommonSpec(const ConfigView& c, std::string_view architecture) {
  ModelSpec s;
  s.architecture = architecture;
  WRING_ASSIGN(s.layers, c.Count("num_hidden_layers", "block_count", 1, 1024));
  WRING_ASSIGN(s.hidden, c.Count("hidden_size", "embedding_length", 1, 1 << 17));
  WRING_ASSIGN(s.heads, c.Count("num_attention_heads", "attention.head_count", 1, 1024));
  WRING_ASSIGN(s.ffn, c.Count("intermediate_size", "feed_forward_length", 1, 1 << 20));
  WRING_ASSIGN(s.context, c.Count("max_position_embeddings", "context_length", 1, 1 << 28));
  s.kv_heads = s.heads;
  if (c.Int("num_key_value_heads", "attention.head_count_kv")) {
    WRING_ASSIGN(s.kv_heads, c.Count("num_key_value_heads", "attention.head_count_kv", 1, 1024));
  }
  s.head_dim = s.hidden / s.heads;
  if (c.Int("head_dim", "attention.key_length")) {
    WRING_ASSIGN(s.head_dim, c.Count("head_dim", "attention.key_length", 1, 1024));
  }
  if (s.heads % s.kv_heads != 0 || s.head_dim % 2 != 0 || s.head_dim == 0) {
    return Error(
        Code::kCorrupt,
        "{}: {} heads of {} channels over {} KV heads cannot be: the file is damaged, get it again",
        c.what, s.heads, s.head_dim, s.kv_heads);
  }
  s.attention_scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
  s.norm_eps = static_cast<float>(c.Number("rms_norm_eps", "attention.layer_norm_rms_epsilon")
                                      .value_or(c.gguf() ? 1e-5 : 1e-6));
  s.rope_theta = c.Number("rope_theta", "rope.freq_base").value_or(10000.0);
  if (!(s.rope_theta > 0) || !(s.norm_eps > 0)) {
    return Error(Code::kCorrupt,
                 "{}: rope theta {} or norm epsilon {} is not positive: the file is damaged",
                 c.what, s.rope_theta, s.norm_eps);
  }
  s.tied_head = c.gguf()
                    ? !c.has_tensor("output.weight")
                    : c.get_bool("tie_word_embeddings").value_or(!c.has_tensor("lm_head.weight"));
  return s;
}

std::vector<Op> Ops(const ModelSpec& s) {
  using enum WeightRole;
  std::vector<Op> ops;
  const auto add = [&](OpKind kind, uint32_t layer, Slot in, Slot in2, Slot in3, Slot out) {
    Op op;
    op.kind = kind;
    op.layer = layer;
    op.in = in;
    op.in2 = in2;
    op.in3 = in3;
    op.out = out;
    ops.push_back(op);
  };
  add(OpKind::kEmbed, 0, Slot::kNone, Slot::kNone, Slot::kNone, Slot::kHidden);
  ops.back().weight = {kEmbedding, 0};
  for (uint32_t l = 0; l < s.layers; ++l) {
    ops.push_back(Norm(l, kAttentionNorm));
    ops.push_back(Linear(l, Slot::kNormed, kQ, Slot::kQ, s.qkv_bias, kQBias));
    ops.push_back(Linear(l, Slot::kNormed, kK, Slot::kK, s.qkv_bias, kKBias));
    ops.push_back(Linear(l, Slot::kNormed, kV, Slot::kV, s.qkv_bias, kVBias));
    add(OpKind::kRope, l, Slot::kQ, Slot::kNone, Slot::kNone, Slot::kQ);
    add(OpKind::kKvAppend, l, Slot::kNone, Slot::kK, Slot::kV, Slot::kNone);
    add(OpKind::kAttend, l, Slot::kQ, Slot::kNone, Slot::kNone, Slot::kAttention);
    ops.push_back(Linear(l, Slot::kAttention, kO, Slot::kHidden, s.output_bias, kOBias, true));
    ops.push_back(Norm(l, kFfnNorm));
    ops.push_back(Linear(l, Slot::kNormed, kGate, Slot::kGate, s.ffn_bias, kGateBias));
    ops.push_back(Linear(l, Slot::kNormed, kUp, Slot::kUp, s.ffn_bias, kUpBias));
    add(OpKind::kSiluMul, l, Slot::kGate, Slot::kUp, Slot::kNone, Slot::kGate);
    ops.push_back(Linear(l, Slot::kGate, kDown, Slot::kHidden, s.ffn_bias, kDownBias, true));
  }
  add(OpKind::kSelect, s.layers, Slot::kHidden, Slot::kNone, Slot::kNone, Slot::kSelected);
  Op norm = Norm(0, kFinalNorm);
  norm.in = norm.out = Slot::kSelected;
  ops.push_back(norm);
  ops.push_back(
      Linear(0, Slot::kSelected, s.tied_head ? kEmbedding : kHead, Slot::kLogits, false, kOBias));
  return ops;
}

}  // namespace wring::decoder
