// Llama 1, 2, 3 (and models that share its files: SmolLM2, TinyLlama, ...).
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "llama"));
  if (c.gguf()) {
    s.qkv_bias = c.has_tensor("blk.0.attn_q.bias");
    s.output_bias = c.has_tensor("blk.0.attn_output.bias");
    s.ffn_bias = c.has_tensor("blk.0.ffn_gate.bias");
    WRING_TRY(decoder::ReadWindow(c, 0, &s));  // Mistral's files are of this architecture
  } else {
    s.qkv_bias = s.output_bias = c.get_bool("attention_bias").value_or(false);
    s.ffn_bias = c.get_bool("mlp_bias").value_or(false);
  }
  return s;
}

}  // namespace

const Architecture& Llama() {
  // llama.cpp's converter reorders q and k of this architecture into rotary pairs.
  static const Architecture arch = {"llama", "llama", Spec, decoder::Ops, decoder::PairedWeights};
  return arch;
}

}  // namespace wring
