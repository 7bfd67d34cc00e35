// Typed access to GGUF metadata: a value of another type is "not there", never reinterpreted.
#include <limits>

#include "formats/gguf.h"

namespace wring {
namespace {

constexpr uint64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

const GgufScalar* Scalar(const GgufMetadata& metadata, std::string_view key) {
  auto it = metadata.entries.find(key);
  return it == metadata.entries.end() ? nullptr : std::get_if<GgufScalar>(&it->second);
}

template <typename T>
const T* ArrayOf(const GgufMetadata& metadata, std::string_view key) {
  auto it = metadata.entries.find(key);
  if (it == metadata.entries.end()) return nullptr;
  const auto* array = std::get_if<GgufArray>(&it->second);
  return array == nullptr ? nullptr : std::get_if<T>(array);
}

}  // namespace

std::optional<int64_t> GgufMetadata::Int(std::string_view key) const {
  const auto* scalar = Scalar(*this, key);
  if (scalar == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<int64_t>(scalar)) return *i;
  if (const auto* u = std::get_if<uint64_t>(scalar); u != nullptr && *u <= kMaxInt64) {
    return static_cast<int64_t>(*u);
  }
  return std::nullopt;
}

std::optional<double> GgufMetadata::Number(std::string_view key) const {
  const auto* scalar = Scalar(*this, key);
  if (scalar == nullptr) return std::nullopt;
  if (const auto* d = std::get_if<double>(scalar)) return *d;
  if (const auto* i = std::get_if<int64_t>(scalar)) return static_cast<double>(*i);
  if (const auto* u = std::get_if<uint64_t>(scalar)) return static_cast<double>(*u);
  return std::nullopt;
}

std::optional<bool> GgufMetadata::Bool(std::string_view key) const {
  const auto* scalar = Scalar(*this, key);
  if (scalar == nullptr) return std::nullopt;
  const auto* b = std::get_if<bool>(scalar);
  return b == nullptr ? std::nullopt : std::optional<bool>(*b);
}

const std::string* GgufMetadata::String(std::string_view key) const {
  const auto* scalar = Scalar(*this, key);
  return scalar == nullptr ? nullptr : std::get_if<std::string>(scalar);
}

const std::vector<std::string>* GgufMetadata::Strings(std::string_view key) const {
  return ArrayOf<std::vector<std::string>>(*this, key);
}

const std::vector<bool>* GgufMetadata::Bools(std::string_view key) const {
  return ArrayOf<std::vector<bool>>(*this, key);
}

std::optional<std::vector<int64_t>> GgufMetadata::Ints(std::string_view key) const {
  if (const auto* ints = ArrayOf<std::vector<int64_t>>(*this, key)) return *ints;
  const auto* unsigneds = ArrayOf<std::vector<uint64_t>>(*this, key);
  if (unsigneds == nullptr) return std::nullopt;
  for (uint64_t u : *unsigneds) {
    if (u > kMaxInt64) return std::nullopt;
  }
  return std::vector<int64_t>(unsigneds->begin(), unsigneds->end());
}

std::optional<std::vector<double>> GgufMetadata::Numbers(std::string_view key) const {
  if (const auto* doubles = ArrayOf<std::vector<double>>(*this, key)) return *doubles;
  if (const auto* ints = ArrayOf<std::vector<int64_t>>(*this, key)) {
    return std::vector<double>(ints->begin(), ints->end());
  }
  if (const auto* unsigneds = ArrayOf<std::vector<uint64_t>>(*this, key)) {
    return std::vector<double>(unsigneds->begin(), unsigneds->end());
  }
  return std::nullopt;
}

bool GgufMetadata::Has(std::string_view key) const { return entries.find(key) != entries.end(); }

}  // namespace wring
