// What a decoder is: the numbers that, with a step, make the op list. Read from a file by the
// architecture's file in model/arch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wring {

// Which KV head serves query head h of `heads`.
enum class HeadMapping : uint8_t {
  kGrouped,  // h / (heads / kv_heads), as every published model
  kStrided,  // h % kv_heads: no published model; tests use it to prove that goldens see the mapping
};

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
  bool rope = true;
  double rope_theta = 10000.0;
  float attention_scale = 0;  // on the scores; 1 / sqrt(head_dim)
  HeadMapping head_mapping = HeadMapping::kGrouped;
  bool tied_head = false;  // the output matrix is the embedding
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention output
  bool ffn_bias = false;

  uint32_t q_width() const { return heads * head_dim; }
  uint32_t kv_width() const { return kv_heads * head_dim; }
  uint32_t group() const { return heads / kv_heads; }
};

// What a weight is for. Matrices are [out, in]; the rest are vectors.
enum class WeightRole : uint8_t {
  kEmbedding,
  kHead,
  kFinalNorm,  // of the model
  kAttentionNorm,
  kQ,
  kK,
  kV,
  kO,
  kQBias,
  kKBias,
  kVBias,
  kOBias,  // of a layer
  kFfnNorm,
  kGate,
  kUp,
  kDown,
  kGateBias,
  kUpBias,
  kDownBias,
};
inline constexpr uint32_t kWeightRoles = 19;

inline bool IsMatrix(WeightRole r) {
  switch (r) {
    case WeightRole::kEmbedding:
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

// A weight of a layer (layer 0 for those of the model).
struct WeightRef {
  WeightRole role = WeightRole::kEmbedding;
  uint32_t layer = 0;
  bool operator==(const WeightRef&) const = default;
};

struct WeightShape {
  WeightRef ref;
  uint32_t rows = 0;  // outputs; the length of a vector
  uint32_t cols = 1;  // inputs
};

// Every weight that a model of this spec needs, with its shape.
std::vector<WeightShape> WeightShapes(const ModelSpec& spec);

}  // namespace wring
