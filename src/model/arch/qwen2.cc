// Qwen2 and Qwen2.5: Llama with biases on q, k, v.
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "qwen2"));
  s.qkv_bias = true;
  if (!c.gguf() && c.get_bool("use_sliding_window").value_or(false)) {
    WRING_TRY(decoder::ReadWindow(c, 0, &s));
    // Without layer_types, the layers from max_window_layers on are local.
    const auto first = c.get_int("max_window_layers");
    if (!c.get_strings("layer_types") && first) {
      for (uint32_t l = 0; l < s.layers; ++l) s.local[l] = static_cast<int64_t>(l) >= *first;
    }
  }
  return s;
}

}  // namespace

const Architecture& Qwen2() {
  static const Architecture arch = {"qwen2", "qwen2", Spec, decoder::Ops, decoder::Weights};
  return arch;
}

}  // namespace wring
