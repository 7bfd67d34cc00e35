// Storage types of tensors: plain element types and the block formats of GGUF. One table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wring {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kF8E4M3,
  // Rows as the readers of quantised checkpoints give them (quant/int4, quant/fp8): in no file.
  kInt4G32,
  kInt4G128,
  kFp8G32,
  kFp8G128,
};

// A row of `block` elements takes `bytes` bytes; plain types have block 1.
struct DTypeInfo {
  DType dtype;
  std::string_view name;
  uint32_t block;
  uint32_t bytes;
};

const DTypeInfo& Info(DType dtype);
std::optional<DType> DTypeByName(std::string_view name);

// Bytes of `elements` elements; nullopt on overflow or when the count is not whole blocks.
std::optional<uint64_t> StorageBytes(DType dtype, uint64_t elements);

}  // namespace wring
