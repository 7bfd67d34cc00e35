#include "quant/fp8/formats.h"

#include <cmath>

#include "quant/fp8/blocks.h"
#include "quant/packed_format.h"

namespace wring {
namespace {

template <uint32_t kGroup>
struct Trait {
  using Stored = fp8::Block<kGroup>;
  using Packed = fp8::Packed<kGroup>;
  static constexpr uint32_t kTiles = kGroup / 32;
  static bool Finite(const Packed& p) {
    bool finite = true;
    for (const float s : p.scale) finite &= std::isfinite(s);
    for (const auto& tile : p.tile) {
      for (const auto& column : tile.q) {
        for (const uint8_t code : column) finite &= !fp8::IsNan(code);
      }
    }
    return finite;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.scale[lane] = s.scale; }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    for (uint32_t i = 0; i < 32; ++i) p.tile[t].q[i][lane] = s.q[32 * t + i];
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) out[i] = fp8::Value(s.q[32 * t + i]) * s.scale;
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) out[i] = fp8::Value(p.tile[t].q[i][lane]) * p.scale[lane];
  }
};

}  // namespace

const WeightFormat& Fp8G32() {
  static const gguf::PackedFormat<Trait<32>, FormatId::kFp8G32, DType::kFp8G32> format;
  return format;
}
const WeightFormat& Fp8G128() {
  static const gguf::PackedFormat<Trait<128>, FormatId::kFp8G128, DType::kFp8G128> format;
  return format;
}

}  // namespace wring
