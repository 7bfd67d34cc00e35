// The weight formats by name.
#pragma once

#include <cstddef>
#include <cstdint>

namespace wring {

enum class FormatId : uint8_t {
  kF32,
  kF16,
  kBF16,
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
  kInt4G32,
  kInt4G128,
  kFp8G32,
  kFp8G128
};
inline constexpr size_t kFormatCount = 20;

}  // namespace wring
