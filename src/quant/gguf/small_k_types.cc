// Q2_K and Q3_K: super-blocks of 256 columns with a scale (and min) every 16 columns.
#include "quant/codes.h"
#include "quant/gguf/formats.h"
#include "quant/packed_format.h"
#include "tensor/half.h"

namespace wring {
namespace gguf {
namespace {

struct TraitQ2_K {
  using Stored = Q2_K;
  using Packed = PackedQ2_K;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return {p.d, 32}; }  // d, then -dmin
  static Codes Decode(const Stored& s, uint32_t t) {
    Codes c;
    FromPairs(s.q + 32 * (t / 4), 2 * (t % 4), &c);
    return c;
  }
  // w = (d * scale) * code - dmin * min, in the reference's order of roundings.
  static void Read(const Codes& c, uint16_t d, uint16_t dmin, const uint8_t scales[2],
                   float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) {
      const uint8_t s = scales[i / 16];
      const float ds = F16ToF32(d) * static_cast<float>(s & 15);
      const float dm = F16ToF32(dmin) * static_cast<float>(s >> 4);
      out[i] = ds * static_cast<float>(c.at(i)) - dm;
    }
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) {
    p.d[lane] = s.d;
    p.neg_dmin[lane] = s.dmin ^ 0x8000;
  }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    PutQ2(Decode(s, t), lane, p.tile[t].q2);
    for (int i = 0; i < 2; ++i) p.tile[t].scale_min[i][lane] = s.scales[2 * t + i];
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    Read(Decode(s, t), s.d, s.dmin, s.scales + 2 * t, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ2(p.tile[t].q2, lane, &c);
    const uint8_t scales[2] = {p.tile[t].scale_min[0][lane], p.tile[t].scale_min[1][lane]};
    Read(c, p.d[lane], p.neg_dmin[lane] ^ 0x8000, scales, out);
  }
};

struct TraitQ3_K {
  using Stored = Q3_K;
  using Packed = PackedQ3_K;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static Codes Decode(const Stored& s, uint32_t t) {
    Codes c;
    FromPairs(s.q + 32 * (t / 4), 2 * (t % 4), &c);
    for (int g = 0; g < 8; ++g) c.group[g] |= ((LoadWord(s.h + 4 * g) >> t) & 0x01010101U) << 2;
    return c;
  }
  static void Read(const Codes& c, uint16_t d, const uint8_t scales[12], uint32_t t,
                   float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) {
      const int8_t scale = ScaleQ3(scales, static_cast<int>(2 * t + i / 16));
      const float ds = F16ToF32(d) * static_cast<float>(scale);
      out[i] = ds * static_cast<float>(static_cast<int>(c.at(i)) - 4);
    }
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) {
    p.d[lane] = s.d;
    for (int i = 0; i < 12; ++i) p.scales[i][lane] = s.scales[i];
  }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    const Codes c = Decode(s, t);
    PutQ2(c, lane, p.tile[t].q2);
    PutH1Third(c, lane, p.tile[t].h1);
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    Read(Decode(s, t), s.d, s.scales, t, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ2(p.tile[t].q2, lane, &c);
    GetH1Third(p.tile[t].h1, lane, &c);
    uint8_t scales[12];
    for (int i = 0; i < 12; ++i) scales[i] = p.scales[i][lane];
    Read(c, p.d[lane], scales, t, out);
  }
};

}  // namespace
}  // namespace gguf

const WeightFormat& GgufQ2_K() {
  static const gguf::PackedFormat<gguf::TraitQ2_K, FormatId::kQ2_K, DType::kQ2_K> format;
  return format;
}
const WeightFormat& GgufQ3_K() {
  static const gguf::PackedFormat<gguf::TraitQ3_K, FormatId::kQ3_K, DType::kQ3_K> format;
  return format;
}

}  // namespace wring
