// What is inside a model file: `wring inspect` prints it. Nothing of the weights is read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor_file.h"

namespace wring {

// One metadata entry, already rendered: `json` is valid JSON, `text` fits a terminal line.
struct MetadataLine {
  std::string key;
  std::string type;
  std::string text;
  std::string json;
};

struct TypeTotal {
  DType dtype = DType::kF32;
  uint64_t tensors = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
};

struct FileDescription {
  std::string path;
  std::string kind;     // "GGUF", "safetensors", "Hugging Face directory", "llama2.c checkpoint"
  std::string version;  // of the format; empty where it has none
  uint64_t file_bytes = 0;
  std::vector<std::string> files;
  std::vector<MetadataLine> metadata;
  std::vector<TensorRecord> tensors;  // in the order of the file
  std::vector<TypeTotal> totals;      // largest first
  uint64_t parameters = 0;            // elements of all tensors
  uint64_t tensor_bytes = 0;
};

// `path` is a GGUF file, a .safetensors file or index, a Hugging Face directory or a llama2.c .bin;
// the content decides, not the name.
Result<FileDescription> Describe(const std::string& path);

std::string DescriptionText(const FileDescription& description);
std::string DescriptionJson(const FileDescription& description);

}  // namespace wring
