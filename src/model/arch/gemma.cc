#include "model/arch/gemma.h"

#include <cmath>

namespace wring::gemma {

Result<ModelSpec> CommonSpec(const ConfigView& c, std::string_view architecture, uint32_t period) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, architecture));
  s.tied_head =
      c.gguf() ? !c.has_tensor("output.weight") : c.get_bool("tie_word_embeddings").value_or(true);
  s.activation = Activation::kGeluTanh;
  s.post_norms = true;
  s.embedding_scale = std::sqrt(static_cast<float>(s.hidden));
  if (auto scalar = c.Number("query_pre_attn_scalar", "attention.query_pre_attn_scalar");
      scalar && *scalar > 0) {
    s.attention_scale = static_cast<float>(1.0 / std::sqrt(*scalar));
  }
  // GGUF files leave it out; the 27B models are the only ones whose scale is not that of a head.
  const bool is_27b = (architecture == "gemma2" && s.layers == 46) || s.layers == 62;
  if (c.gguf() && is_27b) {
    s.attention_scale = std::sqrt(static_cast<float>(s.heads) / static_cast<float>(s.hidden));
  }
  s.attention_softcap =
      static_cast<float>(c.Number("attn_logit_softcapping", "attn_logit_softcapping").value_or(0));
  s.logit_softcap = static_cast<float>(
      c.Number("final_logit_softcapping", "final_logit_softcapping").value_or(0));
  if (!(s.attention_softcap >= 0) || !(s.logit_softcap >= 0)) {
    return Error(Code::kCorrupt, "{}: a soft cap is negative: the configuration is damaged",
                 c.what);
  }
  WRING_TRY(decoder::ReadWindow(c, period, &s));
  return s;
}

std::vector<WeightDecl> Weights(const ModelSpec& s, ConfigView::Naming naming) {
  auto all = decoder::Weights(s, naming);
  if (naming == ConfigView::Naming::kGguf) return all;  // its converter adds the 1
  for (WeightDecl& d : all) {
    if (!IsMatrix(d.ref.role)) d.add = 1;  // the vectors of this architecture are norms
  }
  return all;
}

}  // namespace wring::gemma
