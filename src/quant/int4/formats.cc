#include "quant/int4/formats.h"

#include <cmath>

#include "quant/codes.h"
#include "quant/int4/blocks.h"
#include "quant/packed_format.h"

namespace wring {
namespace {

template <uint32_t kGroup>
struct Trait {
  using Stored = int4::Block<kGroup>;
  using Packed = int4::Packed<kGroup>;
  static constexpr uint32_t kTiles = kGroup / 32;
  static bool Finite(const Packed& p) {
    bool finite = true;
    for (const float s : p.scale) finite &= std::isfinite(s);
    return finite;
  }
  static void Read(const gguf::Codes& c, float scale, uint8_t zero, float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) {
      out[i] = scale * static_cast<float>(static_cast<int>(c.at(i)) - zero);
    }
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) {
    p.scale[lane] = s.scale;
    p.zero[lane] = s.zero;
  }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    gguf::Codes c;
    gguf::FromHalves(s.q + 16 * t, &c);
    gguf::PutQ4(c, lane, p.tile[t].q4);
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    gguf::Codes c;
    gguf::FromHalves(s.q + 16 * t, &c);
    Read(c, s.scale, s.zero, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    gguf::Codes c;
    gguf::GetQ4(p.tile[t].q4, lane, &c);
    Read(c, p.scale[lane], p.zero[lane], out);
  }
};

}  // namespace

const WeightFormat& Int4G32() {
  static const gguf::PackedFormat<Trait<32>, FormatId::kInt4G32, DType::kInt4G32> format;
  return format;
}
const WeightFormat& Int4G128() {
  static const gguf::PackedFormat<Trait<128>, FormatId::kInt4G128, DType::kInt4G128> format;
  return format;
}

}  // namespace wring
