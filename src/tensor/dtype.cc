#include "tensor/dtype.h"

#include <array>
#include <cassert>

#include "base/checked.h"

namespace wring {
namespace {

// Block layouts: GGUF specification and gguf-py's GGML_QUANT_SIZES.
constexpr std::array<DTypeInfo, 28> kTable = {{
    {DType::kF32, "F32", 1, 4},
    {DType::kF16, "F16", 1, 2},
    {DType::kBF16, "BF16", 1, 2},
    {DType::kF64, "F64", 1, 8},
    {DType::kI8, "I8", 1, 1},
    {DType::kI16, "I16", 1, 2},
    {DType::kI32, "I32", 1, 4},
    {DType::kI64, "I64", 1, 8},
    {DType::kU8, "U8", 1, 1},
    {DType::kBool, "BOOL", 1, 1},
    {DType::kQ8_0, "Q8_0", 32, 34},
    {DType::kQ4_0, "Q4_0", 32, 18},
    {DType::kQ4_1, "Q4_1", 32, 20},
    {DType::kQ5_0, "Q5_0", 32, 22},
    {DType::kQ5_1, "Q5_1", 32, 24},
    {DType::kQ2_K, "Q2_K", 256, 84},
    {DType::kQ3_K, "Q3_K", 256, 110},
    {DType::kQ4_K, "Q4_K", 256, 144},
    {DType::kQ5_K, "Q5_K", 256, 176},
    {DType::kQ6_K, "Q6_K", 256, 210},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136},
    {DType::kMXFP4, "MXFP4", 32, 17},
    {DType::kF8E4M3, "F8_E4M3", 1, 1},
    {DType::kInt4G32, "INT4-G32", 32, 21},
    {DType::kInt4G128, "INT4-G128", 128, 69},
    {DType::kFp8G32, "FP8-G32", 32, 36},
    {DType::kFp8G128, "FP8-G128", 128, 132},
}};

}  // namespace

const DTypeInfo& Info(DType dtype) {
  const auto& info = kTable[static_cast<size_t>(dtype)];
  assert(info.dtype == dtype);
  return info;
}

std::optional<DType> DTypeByName(std::string_view name) {
  for (const auto& info : kTable) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

std::optional<uint64_t> StorageBytes(DType dtype, uint64_t elements) {
  const auto& info = Info(dtype);
  if (elements % info.block != 0) return std::nullopt;
  uint64_t bytes = 0;
  if (!CheckedMul(elements / info.block, info.bytes, &bytes)) return std::nullopt;
  return bytes;
}

}  // namespace wring
