#include "formats/safetensors_writer.h"

#include <set>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "formats/json.h"
#include "formats/printable.h"

namespace wring {
namespace {

Status CheckTensor(const TensorToWrite& tensor, std::set<std::string>* names) {
  if (tensor.name.empty() || tensor.name == "__metadata__" || !names->insert(tensor.name).second) {
    return Error(Code::kInvalid, "tensor {}: its name is empty, reserved or taken; name it anew",
                 Quoted(tensor.name));
  }
  uint64_t elements = 1;
  for (uint64_t size : tensor.shape) {
    if (!CheckedMul(elements, size, &elements)) elements = ~uint64_t{0};
  }
  const auto bytes = StorageBytes(tensor.dtype, elements);
  if (Info(tensor.dtype).block != 1 || bytes != tensor.bytes.size()) {
    return Error(Code::kInvalid,
                 "tensor {}: {} bytes do not fill shape [{}] of {}; give all of them",
                 Quoted(tensor.name), tensor.bytes.size(), fmt::join(tensor.shape, ", "),
                 Info(tensor.dtype).name);
  }
  return {};
}

// Length and header, up to the first tensor.
Result<std::string> Start(std::span<const TensorToWrite> tensors,
                          const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string> names;
  uint64_t at = 0;
  for (const auto& tensor : tensors) {
    WRING_TRY(CheckTensor(tensor, &names));
    header[tensor.name] = {{"dtype", Info(tensor.dtype).name},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = DumpJson(header);
  text.resize(RoundUp<size_t>(text.size(), 8), ' ');
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + text;
}

}  // namespace

Result<std::string> SafetensorsBytes(std::span<const TensorToWrite> tensors,
                                     const std::map<std::string, std::string>& metadata) {
  WRING_ASSIGN(std::string out, Start(tensors, metadata));
  for (const auto& tensor : tensors) {
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return out;
}

Status WriteSafetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata) {
  WRING_ASSIGN(const std::string start, Start(tensors, metadata));
  WRING_ASSIGN(auto file, AtomicFile::Create(path));
  WRING_TRY(file.Write(start));
  for (const auto& tensor : tensors) WRING_TRY(file.Write(tensor.bytes));
  return file.Commit();
}

}  // namespace wring
