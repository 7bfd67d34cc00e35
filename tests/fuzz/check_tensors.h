// What every reader promises of the tensors it accepts, checked on whatever the fuzzer finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "formats/tensor_file.h"

namespace wring::testing {

inline void Require(bool condition) {
  if (!condition) __builtin_trap();
}

inline void CheckTensors(const std::map<std::string, TensorRecord>& tensors,
                         std::span<const std::byte> bytes) {
  for (const auto& [name, tensor] : tensors) {
    Require(name == tensor.name && !name.empty());
    Require(tensor.bytes <= bytes.size() && tensor.offset <= bytes.size() - tensor.bytes);
    Require(StorageBytes(tensor.dtype, tensor.elements()) == tensor.bytes);
    Require(tensor.shape.empty() || tensor.shape.back() % Info(tensor.dtype).block == 0);
  }
}

// A message is one line of printable text that names the source.
inline void CheckMessage(const Status& status, std::string_view what) {
  Require(!status.ok() && status.message().starts_with(what));
  for (const char c : status.message()) Require(c >= 0x20 && c < 0x7f);
}

inline std::span<const std::byte> Bytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

}  // namespace wring::testing
