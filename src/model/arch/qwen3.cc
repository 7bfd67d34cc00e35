// Qwen3: Llama with a norm on each head of q and k before they turn.
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "qwen3"));
  s.qk_norm = true;
  s.qkv_bias = s.output_bias = !c.gguf() && c.get_bool("attention_bias").value_or(false);
  return s;
}

}  // namespace

const Architecture& Qwen3() {
  static const Architecture arch = {"qwen3", "qwen3", Spec, decoder::Ops, decoder::Weights};
  return arch;
}

}  // namespace wring
