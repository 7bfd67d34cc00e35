#include "model/arch/decoder.h"

#include <cmath>

#include "formats/printable.h"

namespace wring::decoder {
namespace {

Op Norm(uint32_t layer, WeightRole role, Slot in, Slot out) {
  Op op;
  op.kind = OpKind::kRmsNorm;
  op.layer = layer;
  op.in = in;
  op.out = out;
  op.weight = {role, layer};
  return op;
}

Op HeadNorm(uint32_t layer, WeightRole role, Slot slot) {
  Op op = Norm(layer, role, slot, slot);
  op.kind = OpKind::kHeadNorm;
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

Op Plain(OpKind kind, uint32_t layer, Slot in, Slot in2, Slot in3, Slot out) {
  Op op;
  op.kind = kind;
  op.layer = layer;
  op.in = in;
  op.in2 = in2;
  op.in3 = in3;
  op.out = out;
  return op;
}

// A branch joins the residual stream: added by its last matrix, or normed first.
void Join(const ModelSpec& s, uint32_t layer, Op last, WeightRole norm, std::vector<Op>* ops) {
  last.add_to_out = !s.post_norms;
  last.parts[0].out = s.post_norms ? Slot::kBranch : Slot::kHidden;
  ops->push_back(std::move(last));
  if (!s.post_norms) return;
  ops->push_back(Norm(layer, norm, Slot::kBranch, Slot::kBranch));
  ops->push_back(
      Plain(OpKind::kAdd, layer, Slot::kHidden, Slot::kBranch, Slot::kNone, Slot::kHidden));
}

void LayerOps(const ModelSpec& s, uint32_t l, std::vector<Op>* ops) {
  using enum WeightRole;
  ops->push_back(Norm(l, kAttentionNorm, Slot::kHidden, Slot::kNormed));
  ops->push_back(Linear(l, Slot::kNormed, kQ, Slot::kQ, s.qkv_bias, kQBias));
  ops->push_back(Linear(l, Slot::kNormed, kK, Slot::kK, s.qkv_bias, kKBias));
  ops->push_back(Linear(l, Slot::kNormed, kV, Slot::kV, s.qkv_bias, kVBias));
  if (s.qk_norm) {
    ops->push_back(HeadNorm(l, kQNorm, Slot::kQ));
    ops->push_back(HeadNorm(l, kKNorm, Slot::kK));
  }
  ops->push_back(Plain(OpKind::kRope, l, Slot::kQ, Slot::kNone, Slot::kNone, Slot::kQ));
  ops->push_back(Plain(OpKind::kKvAppend, l, Slot::kNone, Slot::kK, Slot::kV, Slot::kNone));
  ops->push_back(Plain(OpKind::kAttend, l, Slot::kQ, Slot::kNone, Slot::kNone, Slot::kAttention));
  Join(s, l, Linear(l, Slot::kAttention, kO, Slot::kHidden, s.output_bias, kOBias),
       kPostAttentionNorm, ops);
  ops->push_back(Norm(l, kFfnNorm, Slot::kHidden, Slot::kNormed));
  ops->push_back(Linear(l, Slot::kNormed, kGate, Slot::kGate, s.ffn_bias, kGateBias));
  ops->push_back(Linear(l, Slot::kNormed, kUp, Slot::kUp, s.ffn_bias, kUpBias));
  const OpKind gate = s.activation == Activation::kSilu ? OpKind::kSiluMul : OpKind::kGeluMul;
  ops->push_back(Plain(gate, l, Slot::kGate, Slot::kUp, Slot::kNone, Slot::kGate));
  Join(s, l, Linear(l, Slot::kGate, kDown, Slot::kHidden, s.ffn_bias, kDownBias), kPostFfnNorm,
       ops);
}

Status BadRope(const ConfigView& c, std::string_view what) {
  return Error(Code::kCorrupt, "{}: {}: the configuration is damaged, get it again", c.what, what);
}

Result<RopeScaling> ScalingByName(const ConfigView& c, const std::string& name) {
  if (name.empty() || name == "default" || name == "none") return RopeScaling::kNone;
  if (name == "linear") return RopeScaling::kLinear;
  if (name == "ntk") return RopeScaling::kNtk;
  if (name == "dynamic") return RopeScaling::kDynamic;
  if (name == "yarn") return RopeScaling::kYarn;
  if (name == "llama3") return RopeScaling::kLlama3;
  if (name == "longrope" || name == "su") return RopeScaling::kLongRope;
  return Error(Code::kUnsupported,
               "{}: RoPE scaling {} is not one this build runs (linear, ntk, dynamic, yarn, "
               "llama3, longrope): choose another model",
               c.what, Quoted(name));
}

// config.json: an object that is rope_parameters (newer) or rope_scaling.
Status ReadHfRope(const ConfigView& c, std::string_view object, const ModelSpec& spec,
                  RopeSpec* r) {
  std::string at = std::string(object) + ".";
  if (!c.get_string(at + "rope_type")) at = "rope_scaling.";
  const auto number = [&](std::string_view key) { return c.get_number(at + std::string(key)); };
  auto type = c.get_string(at + "rope_type");
  if (!type) type = c.get_string(at + "type");
  WRING_ASSIGN(r->scaling, ScalingByName(c, type.value_or("")));
  auto theta = c.get_number("rope_theta");
  if (!theta) theta = c.get_number(std::string(object) + ".rope_theta");
  r->theta = theta.value_or(10000.0);
  auto partial = c.get_number("partial_rotary_factor");
  if (!partial) partial = c.get_number(std::string(object) + ".partial_rotary_factor");
  if (partial && *partial > 0 && *partial < 1) {
    r->dims = static_cast<uint32_t>(*partial * spec.head_dim) / 2 * 2;
  }
  double original = number("original_max_position_embeddings").value_or(0);
  if (original == 0) original = c.get_number("original_max_position_embeddings").value_or(0);
  if (original == 0) original = spec.context;
  if (!(original >= 1) || original > (1 << 28)) {
    return BadRope(c, "the original context of its RoPE scaling is out of range");
  }
  r->original_context = static_cast<uint32_t>(original);
  r->factor = number("factor").value_or(
      r->scaling == RopeScaling::kLongRope ? spec.context / original : 1.0);
  r->attention_factor = number("attention_factor").value_or(0);
  r->beta_fast = number("beta_fast").value_or(32);
  r->beta_slow = number("beta_slow").value_or(1);
  r->truncate = c.get_bool(at + "truncate").value_or(true);
  r->mscale = number("mscale").value_or(0);
  r->mscale_all_dim = number("mscale_all_dim").value_or(0);
  r->low_freq_factor = number("low_freq_factor").value_or(1);
  r->high_freq_factor = number("high_freq_factor").value_or(4);
  r->short_factors = c.get_numbers(at + "short_factor").value_or(std::vector<double>());
  r->long_factors = c.get_numbers(at + "long_factor").value_or(std::vector<double>());
  return {};
}

Status ReadGgufRope(const ConfigView& c, const ModelSpec& spec, RopeSpec* r) {
  WRING_ASSIGN(r->scaling, ScalingByName(c, c.String("", "rope.scaling.type").value_or("none")));
  r->theta = c.Number("", "rope.freq_base").value_or(10000.0);
  WRING_ASSIGN(r->dims, c.CountOr("", "rope.dimension_count", 2, spec.head_dim, spec.head_dim));
  r->dims = r->dims / 2 * 2;
  r->factor = c.Number("", "rope.scaling.factor").value_or(1.0);
  WRING_ASSIGN(r->original_context,
               c.CountOr("", "rope.scaling.original_context_length", 1, 1 << 28, spec.context));
  if (r->scaling == RopeScaling::kYarn) {
    // The file's factor multiplies the one that the method derives.
    const double extra = c.Number("", "rope.scaling.attn_factor").value_or(1.0);
    r->attention_factor = extra == 1.0 ? 0 : extra * (0.1 * std::log(r->factor) + 1.0);
  }
  if (auto factors = c.tensor_values("rope_freqs.weight")) r->frequency_factors = *factors;
  auto short_factors = c.tensor_values("rope_factors_short.weight");
  auto long_factors = c.tensor_values("rope_factors_long.weight");
  if (short_factors && long_factors) {
    r->scaling = RopeScaling::kLongRope;
    r->short_factors = *short_factors;
    r->long_factors = *long_factors;
    r->factor = spec.context / static_cast<double>(r->original_context);
    r->attention_factor = c.Number("", "rope.scaling.attn_factor").value_or(0);
  }
  return {};
}

Status CheckRope(const ConfigView& c, const ModelSpec& spec, const RopeSpec& r) {
  const uint32_t half = (r.dims != 0 ? r.dims : spec.head_dim) / 2;
  const auto all_good = [](const std::vector<double>& values) {
    for (double v : values) {
      if (!(v > 1e-6) || !(v < 1e6)) return false;
    }
    return true;
  };
  if (!(r.theta > 1e-3) || !(r.theta < 1e15)) return BadRope(c, "RoPE theta is out of range");
  if (!(r.factor > 1e-3) || !(r.factor < 1e6)) return BadRope(c, "its RoPE factor is out of range");
  if (!(r.attention_factor >= 0) || !(r.attention_factor < 100)) {
    return BadRope(c, "its RoPE attention factor is out of range");
  }
  if (!(r.low_freq_factor > 0) || !(r.high_freq_factor > r.low_freq_factor) || !(r.beta_slow > 0) ||
      !(r.beta_fast > r.beta_slow)) {
    return BadRope(c, "the bounds of its RoPE scaling are out of order");
  }
  if (r.scaling == RopeScaling::kLongRope &&
      (r.short_factors.size() != half || r.long_factors.size() != half)) {
    return BadRope(c, fmt::format("LongRoPE has {} and {} factors where {} channels turn",
                                  r.short_factors.size(), r.long_factors.size(), half));
  }
  if (!r.frequency_factors.empty() && r.frequency_factors.size() != half) {
    return BadRope(c, fmt::format("rope_freqs has {} factors where {} channels turn",
                                  r.frequency_factors.size(), half));
  }
  if (!all_good(r.short_factors) || !all_good(r.long_factors) || !all_good(r.frequency_factors)) {
    return BadRope(c, "a RoPE factor is out of range");
  }
  return {};
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
  WRING_ASSIGN(s.kv_heads,
               c.CountOr("num_key_value_heads", "attention.head_count_kv", 1, 1024, s.heads));
  WRING_ASSIGN(s.head_dim,
               c.CountOr("head_dim", "attention.key_length", 1, 1024, s.hidden / s.heads));
  if (s.heads % s.kv_heads != 0 || s.head_dim % 2 != 0 || s.head_dim == 0) {
    return Error(
        Code::kCorrupt,
        "{}: {} heads of {} channels over {} KV heads cannot be: the file is damaged, get it again",
        c.what, s.heads, s.head_dim, s.kv_heads);
  }
  s.attention_scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
  s.norm_eps = static_cast<float>(c.Number("rms_norm_eps", "attention.layer_norm_rms_epsilon")
                                      .value_or(c.gguf() ? 1e-5 : 1e-6));
  if (!(s.norm_eps > 0) || !(s.norm_eps < 1)) {
    return Error(Code::kCorrupt, "{}: a norm epsilon of {} cannot be: the file is damaged", c.what,
                 s.norm_eps);
  }
  s.tied_head = c.gguf()
                    ? !c.has_tensor("output.weight")
                    : c.get_bool("tie_word_embeddings").value_or(!c.has_tensor("lm_head.weight"));
  WRING_TRY(ReadRope(c, "rope_parameters", &s));
  return s;
}

Status ReadRope(const ConfigView& c, std::string_view hf_object, ModelSpec* spec) {
  RopeSpec& r = spec->ropes[0];
  WRING_TRY(c.gguf() ? ReadGgufRope(c, *spec, &r) : ReadHfRope(c, hf_object, *spec, &r));
  WRING_TRY(CheckRope(c, *spec, r));
  // config.json of these gives the context before scaling; GGUF files and the others the one after.
  const bool grows = r.scaling == RopeScaling::kLinear || r.scaling == RopeScaling::kNtk ||
                     r.scaling == RopeScaling::kDynamic || r.scaling == RopeScaling::kYarn;
  if (!c.gguf() && grows) {
    const double extended = r.original_context * r.factor;
    spec->context = std::max(spec->context, static_cast<uint32_t>(std::min(extended, 268435456.0)));
  }
  return {};
}

Status ReadWindow(const ConfigView& c, uint32_t period, ModelSpec* spec) {
  WRING_ASSIGN(spec->window,
               c.CountOr("sliding_window", "attention.sliding_window", 1, 1 << 28, 0));
  if (spec->window == 0) return {};
  const auto types = c.gguf() ? std::nullopt : c.get_strings("layer_types");
  if (types && types->size() < spec->layers) {
    return Error(Code::kCorrupt,
                 "{}: layer_types names {} layers of {}: the configuration is damaged", c.what,
                 types->size(), spec->layers);
  }
  for (uint32_t l = 0; l < spec->layers; ++l) {
    spec->local.push_back(types ? (*types)[l] == "sliding_attention"
                                : period == 0 || (l + 1) % period != 0);
  }
  return {};
}

std::vector<Op> Ops(const ModelSpec& s) {
  using enum WeightRole;
  std::vector<Op> ops;
  ops.push_back(Plain(OpKind::kEmbed, 0, Slot::kNone, Slot::kNone, Slot::kNone, Slot::kHidden));
  ops.back().weight = {kEmbedding, 0};
  ops.back().value = s.embedding_scale;
  for (uint32_t l = 0; l < s.layers; ++l) LayerOps(s, l, &ops);
  ops.push_back(
      Plain(OpKind::kSelect, s.layers, Slot::kHidden, Slot::kNone, Slot::kNone, Slot::kSelected));
  ops.push_back(Norm(0, kFinalNorm, Slot::kSelected, Slot::kSelected));
  ops.push_back(
      Linear(0, Slot::kSelected, s.tied_head ? kEmbedding : kHead, Slot::kLogits, false, kOBias));
  if (s.logit_softcap > 0) {
    ops.push_back(
        Plain(OpKind::kSoftCap, 0, Slot::kLogits, Slot::kNone, Slot::kNone, Slot::kLogits));
    ops.back().value = s.logit_softcap;
  }
  return ops;
}

WeightDecl& Declarations::Model(WeightRole role, std::string_view hf, std::string_view gguf,
                                uint32_t rows, uint32_t cols) {
  WeightDecl d;
  d.ref = {role, 0};
  d.rows = d.stored_rows = rows;
  d.cols = cols;
  d.name = naming_ == ConfigView::Naming::kGguf ? gguf : hf;
  all_.push_back(std::move(d));
  return all_.back();
}

WeightDecl& Declarations::Layer(WeightRole role, uint32_t layer, std::string_view hf,
                                std::string_view gguf, uint32_t rows, uint32_t cols) {
  const std::string after = fmt::format("{}.", layer);
  WeightDecl& d = Model(role, hf_layers + after + std::string(hf),
                        "blk." + after + std::string(gguf), rows, cols);
  d.ref.layer = layer;
  return d;
}

std::vector<WeightDecl> PairedWeights(const ModelSpec& s, ConfigView::Naming naming) {
  auto all = Weights(s, naming);
  for (WeightDecl& d : all) {
    const bool turns = d.ref.role == WeightRole::kQ || d.ref.role == WeightRole::kK ||
                       d.ref.role == WeightRole::kQBias || d.ref.role == WeightRole::kKBias;
    if (turns && naming == ConfigView::Naming::kGguf) d.order = RowOrder::kInterleavedPairs;
  }
  return all;
}

std::vector<WeightDecl> Weights(const ModelSpec& s, ConfigView::Naming naming) {
  using enum WeightRole;
  Declarations d(naming);
  d.Model(kEmbedding, "model.embed_tokens.weight", "token_embd.weight", s.vocab, s.hidden);
  d.Model(kFinalNorm, "model.norm.weight", "output_norm.weight", s.hidden);
  if (!s.tied_head) d.Model(kHead, "lm_head.weight", "output.weight", s.vocab, s.hidden);
  for (uint32_t l = 0; l < s.layers; ++l) {
    d.Layer(kAttentionNorm, l, "input_layernorm.weight", "attn_norm.weight", s.hidden);
    d.Layer(kQ, l, "self_attn.q_proj.weight", "attn_q.weight", s.q_width(), s.hidden);
    d.Layer(kK, l, "self_attn.k_proj.weight", "attn_k.weight", s.kv_width(), s.hidden);
    d.Layer(kV, l, "self_attn.v_proj.weight", "attn_v.weight", s.kv_width(), s.hidden);
    d.Layer(kO, l, "self_attn.o_proj.weight", "attn_output.weight", s.hidden, s.q_width());
    d.Layer(kFfnNorm, l,
            s.post_norms ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight",
            "ffn_norm.weight", s.hidden);
    d.Layer(kGate, l, "mlp.gate_proj.weight", "ffn_gate.weight", s.ffn, s.hidden);
    d.Layer(kUp, l, "mlp.up_proj.weight", "ffn_up.weight", s.ffn, s.hidden);
    d.Layer(kDown, l, "mlp.down_proj.weight", "ffn_down.weight", s.hidden, s.ffn);
    if (s.qkv_bias) {
      d.Layer(kQBias, l, "self_attn.q_proj.bias", "attn_q.bias", s.q_width());
      d.Layer(kKBias, l, "self_attn.k_proj.bias", "attn_k.bias", s.kv_width());
      d.Layer(kVBias, l, "self_attn.v_proj.bias", "attn_v.bias", s.kv_width());
    }
    if (s.output_bias) d.Layer(kOBias, l, "self_attn.o_proj.bias", "attn_output.bias", s.hidden);
    if (s.ffn_bias) {
      d.Layer(kGateBias, l, "mlp.gate_proj.bias", "ffn_gate.bias", s.ffn);
      d.Layer(kUpBias, l, "mlp.up_proj.bias", "ffn_up.bias", s.ffn);
      d.Layer(kDownBias, l, "mlp.down_proj.bias", "ffn_down.bias", s.hidden);
    }
    if (s.qk_norm) {
      d.Layer(kQNorm, l, "self_attn.q_norm.weight", "attn_q_norm.weight", s.head_dim);
      d.Layer(kKNorm, l, "self_attn.k_norm.weight", "attn_k_norm.weight", s.head_dim);
    }
    if (s.post_norms) {
      d.Layer(kPostAttentionNorm, l, "post_attention_layernorm.weight",
              "post_attention_norm.weight", s.hidden);
      d.Layer(kPostFfnNorm, l, "post_feedforward_layernorm.weight", "post_ffw_norm.weight",
              s.hidden);
    }
  }
  return d.Take();
}

}  // namespace wring::decoder
