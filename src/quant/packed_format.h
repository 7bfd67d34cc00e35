// WeightFormat over a trait that says, for one block type, how a tile of 32 columns of a row is read and
// written in both layouts. A trait T has
//   Stored, Packed                       block types of blocks.h
//   kTiles                               tiles of 32 columns in a block (1 or 8)
//   Header(const Stored&, lane, Packed&)             scales of the block
//   PackTile(const Stored&, tile, lane, Packed&)     codes and scales of a tile
//   ReadStored(const Stored&, tile, float out[32])   reference dequantisation
//   ReadPacked(const Packed&, tile, lane, float out[32])
//   Halves(const Packed&)                            its float16 scales, or
//   Finite(const Packed&)                            whether its scales are finite
#pragma once

#include <cstring>
#include <span>

#include "quant/weight_format.h"

namespace wring::gguf {

template <typename T, FormatId kId, DType kStored>
class PackedFormat final : public WeightFormat {
 public:
  using Stored = typename T::Stored;
  using Packed = typename T::Packed;
  static constexpr uint64_t kCols = 32 * T::kTiles;

  FormatId id() const override { return kId; }
  DType stored() const override { return kStored; }
  uint64_t panel_bytes(uint64_t cols) const override { return cols / kCols * sizeof(Packed); }

  void Pack(const std::byte* const rows[kPanelRows], uint64_t cols,
            std::byte* panel) const override {
    auto* packed = reinterpret_cast<Packed*>(panel);
    static constexpr Stored kZero = {};
    for (uint64_t b = 0; b < cols / kCols; ++b) {
      for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
        Stored block = kZero;
        if (rows[lane] != nullptr)
          std::memcpy(&block, rows[lane] + b * sizeof(Stored), sizeof(Stored));
        T::Header(block, lane, packed[b]);
        for (uint32_t t = 0; t < T::kTiles; ++t) T::PackTile(block, t, lane, packed[b]);
      }
    }
  }

  void DequantStored(const std::byte* row, uint64_t cols, float* out) const override {
    for (uint64_t b = 0; b < cols / kCols; ++b) {
      Stored block;
      std::memcpy(&block, row + b * sizeof(Stored), sizeof(Stored));
      for (uint32_t t = 0; t < T::kTiles; ++t) T::ReadStored(block, t, out + b * kCols + 32 * t);
    }
  }

  void DequantPacked(const std::byte* panel, uint32_t lane, uint64_t cols,
                     float* out) const override {
    const auto* packed = reinterpret_cast<const Packed*>(panel);
    for (uint64_t b = 0; b < cols / kCols; ++b) {
      for (uint32_t t = 0; t < T::kTiles; ++t)
        T::ReadPacked(packed[b], t, lane, out + b * kCols + 32 * t);
    }
  }

  bool FinitePanel(const std::byte* panel, uint64_t cols) const override {
    const auto* packed = reinterpret_cast<const Packed*>(panel);
    uint32_t bad = 0;
    for (uint64_t b = 0; b < cols / kCols; ++b) {
      if constexpr (requires(const Packed& p) { T::Finite(p); }) {
        bad |= !T::Finite(packed[b]);
        continue;
      } else {
        for (const uint16_t half : T::Halves(packed[b])) bad |= (half & 0x7c00) == 0x7c00;
      }
    }
    return bad == 0;
  }
};

}  // namespace wring::gguf
