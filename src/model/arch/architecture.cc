#include "model/arch/architecture.h"

#include <array>

namespace wring {
namespace {

const std::array<const Architecture*, 2>& All() {
  static const std::array<const Architecture*, 2> all = {&Llama(), &Qwen2()};
  return all;
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

std::optional<int64_t> ConfigView::Int(std::string_view hf, std::string_view gguf_key) const {
  return gguf() ? get_int(prefix + std::string(gguf_key)) : get_int(hf);
}

std::optional<double> ConfigView::Number(std::string_view hf, std::string_view gguf_key) const {
  return gguf() ? get_number(prefix + std::string(gguf_key)) : get_number(hf);
}

Result<uint32_t> ConfigView::Count(std::string_view hf, std::string_view gguf_key, uint32_t low,
                                   uint32_t high) const {
  const auto value = Int(hf, gguf_key);
  const std::string key = gguf() ? prefix + std::string(gguf_key) : std::string(hf);
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

}  // namespace wring
