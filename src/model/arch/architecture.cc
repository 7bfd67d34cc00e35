#include "model/arch/architecture.h"

#include <array>

namespace wring {
namespace {

const std::vector<const Architecture*>& All() {
  static const std::vector<const Architecture*> all = {
#define WRING_ARCHITECTURE(Name) &Name(),
#include "model/arch/list.inc"
#undef WRING_ARCHITECTURE
  };
  return all;
}

std::string KeyOf(const ConfigView& c, std::string_view hf, std::string_view gguf_key) {
  return c.gguf() ? c.prefix + std::string(gguf_key) : std::string(hf);
}

}  // namespace

const Architecture* FindArchitecture(std::string_view name) {
  for (const auto* a : All()) {
    if (a->name == name) return a;
  }
  return nullptr;
}

const Architecture* FindArchitectureByHf(std::string_view model_type) {
  for (const auto* a : All()) {
    if (a->hf_model_type == model_type) return a;
  }
  return nullptr;
}

std::string ArchitectureNames() {
  std::string names;
  for (const auto* a : All()) names += fmt::format("{}{}", names.empty() ? "" : ", ", a->name);
  return names;
}

std::vector<WeightDecl> WeightsOf(const ModelSpec& spec, ConfigView::Naming naming) {
  const Architecture* arch = FindArchitecture(spec.architecture);
  assert(arch != nullptr);
  return arch->weights(spec, naming);
}

std::optional<int64_t> ConfigView::Int(std::string_view hf, std::string_view gguf_key) const {
  return get_int(KeyOf(*this, hf, gguf_key));
}

std::optional<double> ConfigView::Number(std::string_view hf, std::string_view gguf_key) const {
  return get_number(KeyOf(*this, hf, gguf_key));
}

std::optional<std::string> ConfigView::String(std::string_view hf,
                                              std::string_view gguf_key) const {
  return get_string(KeyOf(*this, hf, gguf_key));
}

Result<uint32_t> ConfigView::Count(std::string_view hf, std::string_view gguf_key, uint32_t low,
                                   uint32_t high) const {
  const auto value = Int(hf, gguf_key);
  const std::string key = KeyOf(*this, hf, gguf_key);
  if (!value) {
    return Error(Code::kCorrupt,
                 "{}: the model's configuration has no {}: it is incomplete, get it again", what,
                 key);
  }
  if (*value < low || *value > high) {
    return Error(Code::kCorrupt,
                 "{}: {} is {}, outside {} to {}: the file is damaged, get it again", what, key,
                 *value, low, high);
  }
  return static_cast<uint32_t>(*value);
}

Result<uint32_t> ConfigView::CountOr(std::string_view hf, std::string_view gguf_key, uint32_t low,
                                     uint32_t high, uint32_t fallback) const {
  if (!Int(hf, gguf_key)) return fallback;
  return Count(hf, gguf_key, low, high);
}

}  // namespace wring
