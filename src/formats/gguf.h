// Reader of GGUF versions 2 and 3 (little-endian), single file. Metadata stays typed: an accessor of
// the wrong type gives nothing instead of a reinterpretation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/tensor_file.h"

namespace wring {

// Arrays keep one element type; integers of every width widen to int64/uint64, floats to double.
using GgufScalar = std::variant<bool, int64_t, uint64_t, double, std::string>;
using GgufArray = std::variant<std::vector<bool>, std::vector<int64_t>, std::vector<uint64_t>,
                               std::vector<double>, std::vector<std::string>>;

class GgufMetadata {
 public:
  std::optional<int64_t> Int(std::string_view key) const;    // any integer type that fits
  std::optional<double> Number(std::string_view key) const;  // any integer or float type
  std::optional<bool> Bool(std::string_view key) const;
  const std::string* String(std::string_view key) const;
  const std::vector<std::string>* Strings(std::string_view key) const;
  const std::vector<bool>* Bools(std::string_view key) const;
  std::optional<std::vector<int64_t>> Ints(std::string_view key) const;
  std::optional<std::vector<double>> Numbers(std::string_view key) const;
  bool Has(std::string_view key) const;

  std::map<std::string, std::variant<GgufScalar, GgufArray>, std::less<>> entries;
};

struct GgufFile {
  uint32_t version = 0;
  GgufMetadata metadata;
  TensorFile tensors;  // empty in a vocabulary-only file
};

Result<GgufFile> OpenGguf(const std::string& path);

// The parser alone, over bytes in memory (fuzz target). Tensor offsets are checked against the size.
Result<GgufFile> ParseGguf(std::span<const std::byte> bytes, std::string_view what);

}  // namespace wring
