// What a model is: the numbers that, with a step, make the op list. Read from a file by the architecture's
// file in model/arch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "model/rope.h"
#include "model/sharding.h"

namespace wring {

// Which KV head serves query head h of `heads`.
enum class HeadMapping : uint8_t {
  kGrouped,  // h / (heads / kv_heads), as every published model
  kStrided,  // h % kv_heads: no published model; tests use it to prove that goldens see the mapping
};

// The non-linearity of the feed-forward layer.
enum class Activation : uint8_t { kSilu, kGeluTanh, kGelu };

// What an encoder gives for a text: the mean over its tokens, or the first token ("[CLS]").
enum class Pooling : uint8_t { kNone, kMean, kCls };

// What an executor computes of a model: all of it, its first layers, or the rest.
enum class Placement : uint8_t { kWhole, kFront, kBack };

struct ModelSpec {
  std::string architecture;
  uint32_t layers = 0;
  uint32_t hidden = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t ffn = 0;
  uint32_t vocab = 0;
  uint32_t context = 0;  // positions the model was trained for
  float norm_eps = 1e-5F;

  // Rotation of queries and keys; a layer uses ropes[layer_rope(layer)].
  bool rotary = true;
  std::vector<RopeSpec> ropes = std::vector<RopeSpec>(1);
  float attention_scale = 0;    // on the scores; usually 1 / sqrt(head_dim)
  float attention_softcap = 0;  // scores become cap * tanh(score / cap); 0: off
  float logit_softcap = 0;      // the same for the logits
  HeadMapping head_mapping = HeadMapping::kGrouped;
  // A local layer's query at p sees keys p - window + 1 .. p. Empty `local`: no layer is local.
  uint32_t window = 0;
  std::vector<bool> local;

  Activation activation = Activation::kSilu;
  // Its float8 weights were made for activations of float8: a GPU may multiply them so.
  bool float8_activations = false;
  float embedding_scale = 1;
  bool tied_head = false;  // the output matrix is the embedding
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention output
  bool ffn_bias = false;
  bool qk_norm = false;     // queries and keys are normed per head before rotation
  bool post_norms = false;  // attention and feed-forward outputs are normed before they are added

  // Encoders (no causal mask, no output matrix; a step gives one vector a sequence).
  bool causal = true;
  uint32_t positions = 0;    // rows of the position embedding
  uint32_t token_types = 0;  // rows of the token type embedding; only row 0 is used
  Pooling pooling = Pooling::kNone;
  bool normalize = false;  // the pooled vector gets length 1

  // Set when the model is cut among ranks; the numbers above stay those of the whole.
  Sharding sharding;
  // Set when it is larger than the GPU: the host computes the first layers (model/placement.h).
  uint32_t host_layers = 0;
  Placement placement = Placement::kWhole;

  uint32_t q_width() const { return heads * head_dim; }
  uint32_t kv_width() const { return kv_heads * head_dim; }
  uint32_t group() const { return heads / kv_heads; }
  // KV heads that a cache block has room for: the same on every rank, so that one rank's blocks lie where all others' do.
  uint32_t cached_kv_heads() const {
    uint32_t most = sharding.divided() ? 0 : kv_heads;
    for (const Range& r : sharding.kv_heads) most = std::max(most, r.count);
    return most;
  }
  bool is_local(uint32_t layer) const { return !local.empty() && local[layer]; }
  uint32_t layer_rope(uint32_t layer) const { return ropes.size() > 1 && is_local(layer) ? 1 : 0; }
  uint32_t layer_window(uint32_t layer) const { return is_local(layer) ? window : 0; }
  std::vector<uint32_t> layer_windows() const {
    std::vector<uint32_t> windows(layers);
    for (uint32_t l = 0; l < layers; ++l) windows[l] = layer_window(l);
    return windows;
  }
  // Floats a step gives for a sampling slot: logits, or an encoder's vector.
  uint32_t outputs() const { return causal ? vocab : hidden; }
};

// What a weight is for. Matrices are [out, in]; the rest are vectors.
enum class WeightRole : uint8_t {
  // of the model
  kEmbedding,
  kPositionEmbedding,
  kTypeEmbedding,
  kHead,
  kEmbeddingNorm,
  kEmbeddingNormBias,
  kFinalNorm,
  // of a layer
  kAttentionNorm,
  kAttentionNormBias,
  kQ,
  kK,
  kV,
  kO,
  kQBias,
  kKBias,
  kVBias,
  kOBias,
  kQNorm,
  kKNorm,
  kPostAttentionNorm,
  kFfnNorm,
  kFfnNormBias,
  kGate,
  kUp,
  kDown,
  kGateBias,
  kUpBias,
  kDownBias,
  kPostFfnNorm,
};
inline constexpr uint32_t kWeightRoles = 29;

inline bool IsMatrix(WeightRole r) {
  switch (r) {
    case WeightRole::kEmbedding:
    case WeightRole::kPositionEmbedding:
    case WeightRole::kTypeEmbedding:
    case WeightRole::kHead:
    case WeightRole::kQ:
    case WeightRole::kK:
    case WeightRole::kV:
    case WeightRole::kO:
    case WeightRole::kGate:
    case WeightRole::kUp:
    case WeightRole::kDown: return true;
    default: return false;
  }
}
// Matrices of which a step reads a row a token.
inline bool IsGathered(WeightRole r) {
  return r == WeightRole::kEmbedding || r == WeightRole::kPositionEmbedding ||
         r == WeightRole::kTypeEmbedding;
}

// A weight of a layer (layer 0 for those of the model).
struct WeightRef {
  WeightRole role = WeightRole::kEmbedding;
  uint32_t layer = 0;
  bool operator==(const WeightRef&) const = default;
};

}  // namespace wring
