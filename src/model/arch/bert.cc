// BERT-family encoders (BERT, MiniLM, BGE, E5): learned positions, LayerNorm after each residual sum, biases,
// attention over the whole text; a text gives one vector (Devlin et al. 2018; Reimers and Gurevych 2019).
#include <cmath>

#include "formats/printable.h"
#include "model/arch/decoder.h"

namespace wring {
namespace {

using enum WeightRole;

Result<ModelSpec> Spec(const ConfigView& c) {
  ModelSpec s;
  s.architecture = "bert";
  s.causal = false;
  s.rotary = false;
  WRING_ASSIGN(s.layers, c.Count("num_hidden_layers", "block_count", 1, 1024));
  WRING_ASSIGN(s.hidden, c.Count("hidden_size", "embedding_length", 1, 1 << 17));
  WRING_ASSIGN(s.heads, c.Count("num_attention_heads", "attention.head_count", 1, 1024));
  WRING_ASSIGN(s.ffn, c.Count("intermediate_size", "feed_forward_length", 1, 1 << 20));
  WRING_ASSIGN(s.positions, c.Count("max_position_embeddings", "context_length", 1, 1 << 16));
  WRING_ASSIGN(s.token_types, c.CountOr("type_vocab_size", "token_type_count", 1, 1 << 16, 2));
  if (c.gguf()) {
    // The count stands under another prefix in these files.
    if (const auto types = c.get_int("tokenizer.ggml.token_type_count"); types && *types > 0) {
      s.token_types = static_cast<uint32_t>(std::min<int64_t>(*types, 1 << 16));
    }
  }
  s.context = s.positions;
  s.kv_heads = s.heads;
  s.head_dim = s.hidden / s.heads;
  if (s.hidden % s.heads != 0) {
    return Error(Code::kCorrupt, "{}: {} heads do not divide a width of {}: the file is damaged",
                 c.what, s.heads, s.hidden);
  }
  const auto act = c.gguf() ? std::nullopt : c.get_string("hidden_act");
  if (act && *act != "gelu") {
    return Error(Code::kUnsupported, "{}: activation {} of an encoder is not supported (gelu)",
                 c.what, Quoted(*act));
  }
  s.activation = Activation::kGelu;
  s.attention_scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
  s.norm_eps = static_cast<float>(
      c.Number("layer_norm_eps", "attention.layer_norm_epsilon").value_or(1e-12));
  if (!(s.norm_eps > 0) || !(s.norm_eps < 1)) {
    return Error(Code::kCorrupt, "{}: a norm epsilon of {} cannot be: the file is damaged", c.what,
                 s.norm_eps);
  }
  const int64_t pooling = c.gguf() ? c.Int("", "pooling_type").value_or(1) : 1;
  s.pooling = pooling == 2 ? Pooling::kCls : Pooling::kMean;
  s.qkv_bias = s.output_bias = s.ffn_bias = true;
  return s;
}

std::vector<WeightDecl> Weights(const ModelSpec& s, ConfigView::Naming naming) {
  decoder::Declarations d(naming);
  d.hf_layers = "encoder.layer.";
  d.Model(kEmbedding, "embeddings.word_embeddings.weight", "token_embd.weight", s.vocab, s.hidden);
  d.Model(kPositionEmbedding, "embeddings.position_embeddings.weight", "position_embd.weight",
          s.positions, s.hidden);
  d.Model(kTypeEmbedding, "embeddings.token_type_embeddings.weight", "token_types.weight",
          s.token_types, s.hidden);
  d.Model(kEmbeddingNorm, "embeddings.LayerNorm.weight", "token_embd_norm.weight", s.hidden);
  d.Model(kEmbeddingNormBias, "embeddings.LayerNorm.bias", "token_embd_norm.bias", s.hidden);
  for (uint32_t l = 0; l < s.layers; ++l) {
    const auto linear = [&](WeightRole weight, WeightRole bias, std::string_view hf,
                            std::string_view gguf, uint32_t rows, uint32_t cols) {
      d.Layer(weight, l, fmt::format("{}.weight", hf), fmt::format("{}.weight", gguf), rows, cols);
      d.Layer(bias, l, fmt::format("{}.bias", hf), fmt::format("{}.bias", gguf), rows);
    };
    linear(kQ, kQBias, "attention.self.query", "attn_q", s.hidden, s.hidden);
    linear(kK, kKBias, "attention.self.key", "attn_k", s.hidden, s.hidden);
    linear(kV, kVBias, "attention.self.value", "attn_v", s.hidden, s.hidden);
    linear(kO, kOBias, "attention.output.dense", "attn_output", s.hidden, s.hidden);
    linear(kUp, kUpBias, "intermediate.dense", "ffn_up", s.ffn, s.hidden);
    linear(kDown, kDownBias, "output.dense", "ffn_down", s.hidden, s.ffn);
    d.Layer(kAttentionNorm, l, "attention.output.LayerNorm.weight", "attn_output_norm.weight",
            s.hidden);
    d.Layer(kAttentionNormBias, l, "attention.output.LayerNorm.bias", "attn_output_norm.bias",
            s.hidden);
    d.Layer(kFfnNorm, l, "output.LayerNorm.weight", "layer_output_norm.weight", s.hidden);
    d.Layer(kFfnNormBias, l, "output.LayerNorm.bias", "layer_output_norm.bias", s.hidden);
  }
  return d.Take();
}

std::vector<Op> Ops(const ModelSpec& s) {
  std::vector<Op> ops;
  const auto add = [&](OpKind kind, uint32_t layer, Slot in, Slot out) -> Op& {
    Op op;
    op.kind = kind;
    op.layer = layer;
    op.in = in;
    op.out = out;
    ops.push_back(std::move(op));
    return ops.back();
  };
  const auto embed = [&](WeightRole role, RowIndex index) {
    Op& op = add(OpKind::kEmbed, 0, Slot::kNone, Slot::kHidden);
    op.weight = {role, 0};
    op.index = index;
    op.add_to_out = role != kEmbedding;
  };
  const auto norm = [&](WeightRole weight, WeightRole bias, uint32_t layer) {
    Op& op = add(OpKind::kLayerNorm, layer, Slot::kHidden, Slot::kHidden);
    op.weight = {weight, layer};
    op.bias = {bias, layer};
  };
  const auto linear = [&](uint32_t l, Slot in, WeightRole w, WeightRole b, Slot out) {
    Op& op = add(OpKind::kLinear, l, in, Slot::kNone);
    op.parts = {{{w, l}, {b, l}, true, out}};
    op.add_to_out = out == Slot::kHidden;
  };
  embed(kEmbedding, RowIndex::kToken);
  embed(kPositionEmbedding, RowIndex::kPosition);
  embed(kTypeEmbedding, RowIndex::kZero);
  norm(kEmbeddingNorm, kEmbeddingNormBias, 0);
  for (uint32_t l = 0; l < s.layers; ++l) {
    linear(l, Slot::kHidden, kQ, kQBias, Slot::kQ);
    linear(l, Slot::kHidden, kK, kKBias, Slot::kK);
    linear(l, Slot::kHidden, kV, kVBias, Slot::kV);
    Op& append = add(OpKind::kKvAppend, l, Slot::kNone, Slot::kNone);
    append.in2 = Slot::kK;
    append.in3 = Slot::kV;
    add(OpKind::kAttend, l, Slot::kQ, Slot::kAttention);
    linear(l, Slot::kAttention, kO, kOBias, Slot::kHidden);
    norm(kAttentionNorm, kAttentionNormBias, l);
    linear(l, Slot::kHidden, kUp, kUpBias, Slot::kUp);
    add(OpKind::kGelu, l, Slot::kUp, Slot::kUp);
    linear(l, Slot::kUp, kDown, kDownBias, Slot::kHidden);
    norm(kFfnNorm, kFfnNormBias, l);
  }
  add(OpKind::kPool, s.layers, Slot::kHidden, Slot::kLogits);
  return ops;
}

}  // namespace

const Architecture& Bert() {
  static const Architecture arch = {"bert", "bert", Spec, Ops, Weights};
  return arch;
}

}  // namespace wring
