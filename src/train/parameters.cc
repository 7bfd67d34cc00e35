#include "train/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "formats/mapped_file.h"
#include "formats/printable.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"

namespace wring::train {
namespace {

// FNV-1a: a name's place in the space of counters.
uint64_t NameHash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3U;
  return hash;
}

double Limit(Init init, const Shape& shape) {
  const size_t last = shape.back();
  const size_t fan_in = Elements(shape) / last;
  if (init == Init::kHe) return std::sqrt(6.0 / static_cast<double>(fan_in));
  const size_t taps = shape.size() < 2 ? 1 : fan_in / shape[shape.size() - 2];
  return std::sqrt(6.0 / static_cast<double>(fan_in + taps * last));
}

std::vector<uint64_t> FileShape(const Tensor& tensor) {
  return {tensor.shape().begin(), tensor.shape().end()};
}

std::vector<TensorToWrite> Trained(const std::vector<Parameter>& list) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor, decays] : list) {
    if (!tensor.requires_grad()) continue;
    tensors.push_back(
        {name, DType::kF32, FileShape(tensor), std::as_bytes(std::span(tensor.values()))});
  }
  return tensors;
}

Status CheckRecord(const TensorRecord& record, std::vector<uint64_t> shape,
                   std::span<const std::byte> bytes, std::string_view what) {
  if (record.dtype != DType::kF32 || record.shape != shape) {
    return Error(Code::kInvalid,
                 "{}: tensor {} is {} [{}] where the network has F32 [{}]; name the file of this "
                 "network",
                 what, Quoted(record.name), Info(record.dtype).name, fmt::join(record.shape, ", "),
                 fmt::join(shape, ", "));
  }
  for (size_t at = 0; at < bytes.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if (!std::isfinite(value)) {
      return Error(Code::kCorrupt, "{}: tensor {} holds a value that is no number; train it again",
                   what, Quoted(record.name));
    }
  }
  return {};
}

}  // namespace

Tensor Parameters::Add(const std::string& name, Shape shape, Init init) {
  Tensor tensor(std::move(shape), init == Init::kOne ? 1.0F : 0.0F);
  const bool drawn = init == Init::kHe || init == Init::kXavier;
  if (drawn) {
    const double limit = Limit(init, tensor.shape());
    const uint64_t hash = NameHash(name);
    std::array<uint32_t, 4> words{};
    for (size_t i = 0; i < tensor.size(); ++i) {
      if (i % 4 == 0) {
        words = Philox({static_cast<uint32_t>(i / 4), static_cast<uint32_t>(hash),
                        static_cast<uint32_t>(hash >> 32), 0x696e6974U /* "init" */},
                       seed_);
      }
      tensor.data()[i] = static_cast<float>((2.0 * UniformFrom(words[i % 4]) - 1.0) * limit);
    }
  }
  return Add(name, std::move(tensor), drawn);
}

Tensor Parameters::Add(const std::string& name, Tensor values, bool decays, bool trained) {
  assert(!Find(name));
  values.RequireGrad(trained);
  list_.push_back({name, values, decays && trained});
  return values;
}

Tensor Parameters::Find(std::string_view name) const {
  const auto it =
      std::find_if(list_.begin(), list_.end(), [&](const auto& p) { return p.name == name; });
  return it == list_.end() ? Tensor() : it->tensor;
}

size_t Parameters::Count() const {
  size_t count = 0;
  for (const auto& parameter : list_) count += parameter.tensor.size();
  return count;
}

void Parameters::ClearGradients() const {
  for (const auto& parameter : list_) parameter.tensor.ClearGrad();
}

Result<std::string> Parameters::Bytes(const std::map<std::string, std::string>& metadata) const {
  return SafetensorsBytes(Trained(list_), metadata);
}

Status Parameters::Save(const std::string& path,
                        const std::map<std::string, std::string>& metadata) const {
  return WriteSafetensors(path, Trained(list_), metadata);
}

Result<std::map<std::string, std::string>> Parameters::Load(std::span<const std::byte> bytes,
                                                            std::string_view what) const {
  WRING_ASSIGN(auto header, ParseSafetensors(bytes, what));
  std::vector<std::pair<Tensor, std::span<const std::byte>>> found;
  for (const auto& [name, tensor, decays] : list_) {
    if (!tensor.requires_grad()) continue;
    const auto it = header.tensors.find(name);
    if (it == header.tensors.end()) {
      return Error(Code::kNotFound, "{}: has no tensor {}; name the file of this network", what,
                   Quoted(name));
    }
    const auto values = bytes.subspan(it->second.offset, it->second.bytes);
    WRING_TRY(CheckRecord(it->second, FileShape(tensor), values, what));
    found.emplace_back(tensor, values);
  }
  if (found.size() != header.tensors.size()) {
    const auto extra = std::find_if(header.tensors.begin(), header.tensors.end(),
                                    [&](const auto& t) { return !Find(t.first).requires_grad(); });
    return Error(Code::kInvalid,
                 "{}: has a tensor {} that the network has not; name the file of this network",
                 what, Quoted(extra->first));
  }
  for (const auto& [tensor, values] : found) {
    std::memcpy(tensor.data(), values.data(), values.size());
  }
  return std::move(header.metadata);
}

Result<std::map<std::string, std::string>> Parameters::LoadFile(const std::string& path) const {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  return Load(file->bytes(), path);
}

}  // namespace wring::train
