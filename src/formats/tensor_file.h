// What every weight file gives: named tensors that lie somewhere in a mapped file, and metadata.
// The views stay valid as long as the TensorFile that gave them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/mapped_file.h"
#include "tensor/dtype.h"

namespace wring {

// `shape` is outermost first, as PyTorch prints it: a linear layer is [out_features, in_features].
// Rows are the innermost dimension and hold whole blocks of `dtype`.
struct TensorRecord {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;
  uint32_t file = 0;  // which of TensorFile::files (shards)
  uint64_t offset =
      0;  // first byte in that file; offset + bytes <= its size (checked by the reader)
  uint64_t bytes = 0;

  uint64_t elements() const {
    uint64_t n = 1;
    for (uint64_t d : shape) n *= d;
    return n;
  }
};

// A set of tensors over one or more mapped files.
struct TensorFile {
  std::vector<std::shared_ptr<MappedFile>> files;
  std::map<std::string, TensorRecord> tensors;

  const TensorRecord* Find(const std::string& name) const {
    auto it = tensors.find(name);
    return it == tensors.end() ? nullptr : &it->second;
  }
  std::span<const std::byte> Bytes(const TensorRecord& t) const {
    return files[t.file]->bytes().subspan(t.offset, t.bytes);
  }
};

}  // namespace wring
