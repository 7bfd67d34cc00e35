// Reader of safetensors: one file, or a directory whose model.safetensors.index.json names shards.
// The rules are the reference implementation's: a header of at most 100 MB, tensors that follow
// each other without gap or overlap, the last ending with the file.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "formats/tensor_file.h"

namespace wring {

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;  // __metadata__
  std::map<std::string, TensorRecord> tensors;  // offsets count from the start of the file
};

// `path` is a .safetensors file, an index file (.json) or a Hugging Face directory. Tensors may lie
// at any byte offset: the format aligns nothing.
Result<TensorFile> OpenSafetensors(const std::string& path);

// The parser alone, over bytes in memory (fuzz target).
Result<SafetensorsHeader> ParseSafetensors(std::span<const std::byte> bytes, std::string_view what);

}  // namespace wring
