// Where the parts of a record of fragments stand (fragments.h says what they are): codes of all strips, high bits of all
// strips, scales of all strips, then the header. The one home of these numbers, for the host and for kernels/cuda.
#pragma once

#include <cstdint>

#include "quant/format_id.h"

namespace wring {

struct FragmentParts {
  uint32_t strips = 0;                                       // a record; 0: the format has none
  uint32_t code_bytes = 0, high_bytes = 0, scale_bytes = 0;  // a strip
  uint32_t header_bytes = 0;                                 // a record

  constexpr uint32_t highs() const { return strips * code_bytes; }
  constexpr uint32_t scales() const { return highs() + strips * high_bytes; }
  constexpr uint32_t header() const { return scales() + strips * scale_bytes; }
  constexpr uint32_t record() const { return header() + header_bytes; }
};

constexpr FragmentParts FragmentPartsOf(FormatId format) {
  switch (format) {
    case FormatId::kF32:
    case FormatId::kF16:
    case FormatId::kBF16: return {1, 2048, 0, 0, 0};
    case FormatId::kQ8_0: return {1, 1024, 0, 64, 0};
    case FormatId::kQ4_0: return {1, 512, 0, 64, 0};
    case FormatId::kQ4_1: return {1, 512, 0, 128, 0};
    case FormatId::kQ5_0: return {1, 512, 128, 64, 0};
    case FormatId::kQ5_1: return {1, 512, 128, 128, 0};
    case FormatId::kIQ4_NL:
    case FormatId::kMXFP4: return {1, 512, 0, 64, 0};
    case FormatId::kInt4G32: return {1, 512, 0, 128, 0};
    case FormatId::kInt4G128: return {2, 512, 0, 0, 64};
    case FormatId::kFp8G32: return {1, 1024, 0, 64, 0};
    case FormatId::kFp8G128: return {2, 1024, 0, 0, 32};
    case FormatId::kQ2_K: return {4, 256, 0, 64, 64};
    case FormatId::kQ3_K: return {4, 256, 128, 64, 32};
    case FormatId::kIQ4_XS: return {4, 512, 0, 32, 32};
    case FormatId::kQ4_K: return {4, 512, 0, 64, 64};
    case FormatId::kQ5_K: return {4, 512, 128, 64, 64};
    case FormatId::kQ6_K: return {4, 512, 256, 64, 32};
    default: return {};
  }
}
static_assert(FragmentPartsOf(FormatId::kQ4_K).record() == 16 * 148);
static_assert(FragmentPartsOf(FormatId::kQ6_K).record() == 16 * 210);

}  // namespace wring
