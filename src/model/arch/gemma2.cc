// Gemma 2: soft caps on scores and logits; every second layer is global.
#include "model/arch/gemma.h"

namespace wring {
namespace {

Result<ModelSpec> Spec(const ConfigView& c) { return gemma::CommonSpec(c, "gemma2", 2); }

}  // namespace

const Architecture& Gemma2() {
  static const Architecture arch = {"gemma2", "gemma2", Spec, decoder::Ops, gemma::Weights};
  return arch;
}

}  // namespace wring
