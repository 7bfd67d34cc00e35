#include "model/model_spec.h"

namespace wring {

std::vector<WeightShape> WeightShapes(const ModelSpec& s) {
  using enum WeightRole;
  std::vector<WeightShape> all = {{{kEmbedding, 0}, s.vocab, s.hidden},
                                  {{kFinalNorm, 0}, s.hidden, 1}};
  if (!s.tied_head) all.push_back({{kHead, 0}, s.vocab, s.hidden});
  for (uint32_t l = 0; l < s.layers; ++l) {
    const auto add = [&](WeightRole role, uint32_t rows, uint32_t cols = 1) {
      all.push_back({{role, l}, rows, cols});
    };
    add(kAttentionNorm, s.hidden);
    add(kQ, s.q_width(), s.hidden);
    add(kK, s.kv_width(), s.hidden);
    add(kV, s.kv_width(), s.hidden);
    add(kO, s.hidden, s.q_width());
    add(kFfnNorm, s.hidden);
    add(kGate, s.ffn, s.hidden);
    add(kUp, s.ffn, s.hidden);
    add(kDown, s.hidden, s.ffn);
    if (s.qkv_bias) {
      add(kQBias, s.q_width());
      add(kKBias, s.kv_width());
      add(kVBias, s.kv_width());
    }
    if (s.output_bias) add(kOBias, s.hidden);
    if (s.ffn_bias) {
      add(kGateBias, s.ffn);
      add(kUpBias, s.ffn);
      add(kDownBias, s.hidden);
    }
  }
  return all;
}

}  // namespace wring
