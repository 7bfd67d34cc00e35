// IQ4_NL, IQ4_XS, MXFP4: 4-bit codes that index a table of 16 values.
#include <algorithm>
#include <cstring>

#include "quant/codes.h"
#include "quant/gguf/formats.h"
#include "quant/packed_format.h"
#include "tensor/half.h"

namespace wring {
namespace gguf {
namespace {

void Looked(const Codes& c, const int8_t table[16], float scale, float out[32]) {
  for (uint32_t i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(table[c.at(i)]);
}

// 2^(e - 128); the two smallest are subnormal.
float HalfPowerOfTwo(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000U << e : static_cast<uint32_t>(e - 1) << 23;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

struct TraitIQ4_NL {
  using Stored = IQ4_NL;
  using Packed = PackedIQ4_NL;
  static constexpr uint32_t kTiles = 1;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.d[lane] = s.d; }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    Codes c;
    FromHalves(s.q, &c);
    PutQ4(c, lane, p.q4);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    Codes c;
    FromHalves(s.q, &c);
    Looked(c, kIq4Values, F16ToF32(s.d), out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    Looked(c, kIq4Values, F16ToF32(p.d[lane]), out);
  }
};

struct TraitIQ4_XS {
  using Stored = IQ4_XS;
  using Packed = PackedIQ4_XS;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.d[lane] = s.d; }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    Codes c;
    FromHalves(s.q + 16 * t, &c);
    PutQ4(c, lane, p.tile[t].q4);
    p.tile[t].scale[lane] = ScaleIq4Xs(s, static_cast<int>(t));
  }
  static void Read(const Codes& c, uint16_t d, int8_t scale, float out[32]) {
    Looked(c, kIq4Values, F16ToF32(d) * static_cast<float>(scale), out);
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    Codes c;
    FromHalves(s.q + 16 * t, &c);
    Read(c, s.d, ScaleIq4Xs(s, static_cast<int>(t)), out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.tile[t].q4, lane, &c);
    Read(c, p.d[lane], p.tile[t].scale[lane], out);
  }
};

struct TraitMXFP4 {
  using Stored = MXFP4;
  using Packed = PackedMXFP4;
  static constexpr uint32_t kTiles = 1;
  // 255 is the format's NaN; from 253 on a value of 12 is beyond float32.
  static bool Finite(const Packed& p) {
    uint8_t largest = 0;
    for (const uint8_t e : p.e) largest = std::max(largest, e);
    return largest < 253;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.e[lane] = s.e; }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    Codes c;
    FromHalves(s.q, &c);
    PutQ4(c, lane, p.q4);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    Codes c;
    FromHalves(s.q, &c);
    Looked(c, kMxfp4Values, HalfPowerOfTwo(s.e), out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    Looked(c, kMxfp4Values, HalfPowerOfTwo(p.e[lane]), out);
  }
};

}  // namespace
}  // namespace gguf

const WeightFormat& GgufIQ4_NL() {
  static const gguf::PackedFormat<gguf::TraitIQ4_NL, FormatId::kIQ4_NL, DType::kIQ4_NL> format;
  return format;
}
const WeightFormat& GgufIQ4_XS() {
  static const gguf::PackedFormat<gguf::TraitIQ4_XS, FormatId::kIQ4_XS, DType::kIQ4_XS> format;
  return format;
}
const WeightFormat& GgufMXFP4() {
  static const gguf::PackedFormat<gguf::TraitMXFP4, FormatId::kMXFP4, DType::kMXFP4> format;
  return format;
}

}  // namespace wring
