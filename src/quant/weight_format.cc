#include "quant/weight_format.h"

#include <array>

#include "quant/fp8/formats.h"
#include "quant/gguf/formats.h"
#include "quant/int4/formats.h"
#include "quant/plain/formats.h"

namespace wring {

const WeightFormat& Format(FormatId id) {
  // In the order of FormatId.
  static const std::array<const WeightFormat*, kFormatCount> kTable = {
      &PlainF32(),  &PlainF16(), &PlainBF16(), &GgufQ8_0(),   &GgufQ4_0(),
      &GgufQ4_1(),  &GgufQ5_0(), &GgufQ5_1(),  &GgufQ2_K(),   &GgufQ3_K(),
      &GgufQ4_K(),  &GgufQ5_K(), &GgufQ6_K(),  &GgufIQ4_NL(), &GgufIQ4_XS(),
      &GgufMXFP4(), &Int4G32(),  &Int4G128(),  &Fp8G32(),     &Fp8G128()};
  const WeightFormat& format = *kTable[static_cast<size_t>(id)];
  assert(format.id() == id);
  return format;
}

const WeightFormat* FormatFor(DType dtype) {
  for (size_t i = 0; i < kFormatCount; ++i) {
    const auto& format = Format(static_cast<FormatId>(i));
    if (format.stored() == dtype) return &format;
  }
  return nullptr;
}

uint32_t PackedMatrix::StoredRow(uint32_t row) const {
  if (order == RowOrder::kPlain) return row;
  const uint32_t in_head = row % head_dim;
  const uint32_t half = head_dim / 2;
  const uint32_t stored_in_head = in_head < half ? 2 * in_head : 2 * (in_head - half) + 1;
  return row - in_head + stored_in_head;
}

void PackedMatrix::PackInto(uint32_t i, const std::byte* from, std::byte* out) const {
  const uint64_t row_bytes = format->row_bytes(cols);
  const std::byte* lanes[kPanelRows];
  for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
    const uint32_t row = i * kPanelRows + lane;
    lanes[lane] = row < rows ? from + StoredRow(row) * row_bytes : nullptr;
  }
  format->Pack(lanes, cols, out);
}

void PackedMatrix::DequantRow(uint32_t row, float* out) const {
  if (panels != nullptr) {
    format->DequantPacked(panel(row / kPanelRows), row % kPanelRows, cols, out);
  } else {
    format->DequantStored(stored + StoredRow(row) * format->row_bytes(cols), cols, out);
  }
}

}  // namespace wring
