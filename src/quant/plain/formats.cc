#include "quant/plain/formats.h"

#include <cstring>
#include <type_traits>

#include "tensor/half.h"

namespace wring {
namespace {

float ToF32(float v) { return v; }
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
float ToF32(F16 v) { return F16ToF32(v.bits); }
float ToF32(BF16 v) { return BF16ToF32(v.bits); }

template <typename T, FormatId kId, DType kStored>
class Plain final : public WeightFormat {
 public:
  FormatId id() const override { return kId; }
  DType stored() const override { return kStored; }
  uint64_t panel_bytes(uint64_t cols) const override { return cols * kPanelRows * sizeof(T); }

  void Pack(const std::byte* const rows[kPanelRows], uint64_t cols,
            std::byte* panel) const override {
    // Tiles of 16 columns keep both sides within a few cache lines.
    for (uint64_t c0 = 0; c0 < cols; c0 += 16) {
      const uint64_t n = std::min<uint64_t>(16, cols - c0);
      for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
        T row[16] = {};
        if (rows[lane] != nullptr) std::memcpy(row, rows[lane] + c0 * sizeof(T), n * sizeof(T));
        for (uint64_t c = 0; c < n; ++c) {
          std::memcpy(panel + ((c0 + c) * kPanelRows + lane) * sizeof(T), &row[c], sizeof(T));
        }
      }
    }
  }
  void DequantStored(const std::byte* row, uint64_t cols, float* out) const override {
    Gather(row, 1, cols, out);
  }
  void DequantPacked(const std::byte* panel, uint32_t lane, uint64_t cols,
                     float* out) const override {
    Gather(panel + lane * sizeof(T), kPanelRows, cols, out);
  }
  bool FinitePanel(const std::byte* panel, uint64_t cols) const override {
    // A value is not finite when its exponent bits are all set.
    using Word = std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>;
    constexpr Word kExponent = kStored == DType::kF32   ? 0x7f800000U
                               : kStored == DType::kF16 ? 0x7c00
                                                        : 0x7f80;
    const auto* words = reinterpret_cast<const Word*>(panel);
    Word bad = 0;
    for (uint64_t i = 0; i < cols * kPanelRows; ++i) bad |= (words[i] & kExponent) == kExponent;
    return bad == 0;
  }

 private:
  static void Gather(const std::byte* from, uint64_t stride, uint64_t cols, float* out) {
    for (uint64_t c = 0; c < cols; ++c) {
      T v;
      std::memcpy(&v, from + c * stride * sizeof(T), sizeof(T));
      out[c] = ToF32(v);
    }
  }
};

}  // namespace

const WeightFormat& PlainF32() {
  static const Plain<float, FormatId::kF32, DType::kF32> format;
  return format;
}
const WeightFormat& PlainF16() {
  static const Plain<F16, FormatId::kF16, DType::kF16> format;
  return format;
}
const WeightFormat& PlainBF16() {
  static const Plain<BF16, FormatId::kBF16, DType::kBF16> format;
  return format;
}

}  // namespace wring
