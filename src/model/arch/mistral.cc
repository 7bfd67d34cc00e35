// Mistral 7B and its kin: Llama whose layers all attend to a window (version 0.1; later ones have none).
// GGUF files of it say "llama".
#include "model/arch/decoder.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) {
  WRING_ASSIGN(ModelSpec s, decoder::CommonSpec(c, "mistral"));
  WRING_TRY(decoder::ReadWindow(c, 0, &s));
  return s;
}

}  // namespace

const Architecture& Mistral() {
  static const Architecture arch = {"mistral", "mistral", Spec, decoder::Ops, decoder::Weights};
  return arch;
}

}  // namespace wring
