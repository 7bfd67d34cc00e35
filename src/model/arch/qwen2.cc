// Qwen2 and Qwen2.5: Llama with biases on q, k, v.
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "qwen2"));
  s.qkv_bias = true;
  return s;
}

RowOrder QueryRows(ConfigView::Naming) { return RowOrder::kPlain; }

}  // namespace

const Architecture& Qwen2() {
  static const Architecture arch = {"qwen2", "qwen2", Spec, decoder::Ops, QueryRows};
  return arch;
}

}  // namespace wring
