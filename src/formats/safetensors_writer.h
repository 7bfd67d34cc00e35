// Writer of safetensors: 8 bytes of header length, a JSON header padded with spaces to a multiple
// of 8, then the tensors without gaps, in the order given. ParseSafetensors reads what it writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace wring {

// `bytes` are the elements of a plain type in row-major order; they must outlive the call.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;  // outermost first
  std::span<const std::byte> bytes;
};

// Fails for an empty, reserved or repeated name, a block type, or bytes that do not fill the shape.
Result<std::string> SafetensorsBytes(std::span<const TensorToWrite> tensors,
                                     const std::map<std::string, std::string>& metadata = {});

// The same to a file, which appears whole or not at all.
Status WriteSafetensors(const std::string& path, std::span<const TensorToWrite> tensors,
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace wring
