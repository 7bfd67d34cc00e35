// Q4_K, Q5_K, Q6_K: super-blocks of 256 columns with quantised sub-block scales.
#include "quant/codes.h"
#include "quant/gguf/formats.h"
#include "quant/packed_format.h"
#include "tensor/half.h"

namespace wring {
namespace gguf {
namespace {

// w = (d * scale) * code - dmin * min, in the reference's order of roundings.
void Affine(const Codes& c, uint16_t d, uint16_t dmin, uint8_t scale, uint8_t min, float out[32]) {
  const float ds = F16ToF32(d) * static_cast<float>(scale);
  const float dm = F16ToF32(dmin) * static_cast<float>(min);
  for (uint32_t i = 0; i < 32; ++i) out[i] = ds * static_cast<float>(c.at(i)) - dm;
}

template <typename S, typename P>
void PackHeader(const S& s, uint32_t lane, P& p) {
  p.d[lane] = s.d;
  p.neg_dmin[lane] = s.dmin ^ 0x8000;
  for (int t = 0; t < 8; ++t) ScaleMin(s.scales, t, &p.tile[t].scale[lane], &p.tile[t].min[lane]);
}

template <typename S>
void AffineStored(const S& s, const Codes& codes, uint32_t tile, float out[32]) {
  uint8_t scale = 0;
  uint8_t min = 0;
  ScaleMin(s.scales, static_cast<int>(tile), &scale, &min);
  Affine(codes, s.d, s.dmin, scale, min, out);
}

struct TraitQ4_K {
  using Stored = Q4_K;
  using Packed = PackedQ4_K;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return {p.d, 32}; }  // d, then -dmin
  static Codes Decode(const Stored& s, uint32_t t) {
    Codes c;
    FromNibbles(s.q + 32 * (t / 2), 4 * static_cast<int>(t % 2), &c);
    return c;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { PackHeader(s, lane, p); }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    PutQ4(Decode(s, t), lane, p.tile[t].q4);
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    AffineStored(s, Decode(s, t), t, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.tile[t].q4, lane, &c);
    Affine(c, p.d[lane], p.neg_dmin[lane] ^ 0x8000, p.tile[t].scale[lane], p.tile[t].min[lane],
           out);
  }
};

struct TraitQ5_K {
  using Stored = Q5_K;
  using Packed = PackedQ5_K;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return {p.d, 32}; }  // d, then -dmin
  static Codes Decode(const Stored& s, uint32_t t) {
    Codes c;
    FromNibbles(s.q + 32 * (t / 2), 4 * static_cast<int>(t % 2), &c);
    for (int g = 0; g < 8; ++g) c.group[g] |= ((LoadWord(s.h + 4 * g) >> t) & 0x01010101U) << 4;
    return c;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { PackHeader(s, lane, p); }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    const Codes c = Decode(s, t);
    PutQ4(c, lane, p.tile[t].q4);
    PutH1(c, lane, p.tile[t].h1);
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    AffineStored(s, Decode(s, t), t, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.tile[t].q4, lane, &c);
    GetH1(p.tile[t].h1, lane, &c);
    Affine(c, p.d[lane], p.neg_dmin[lane] ^ 0x8000, p.tile[t].scale[lane], p.tile[t].min[lane],
           out);
  }
};

struct TraitQ6_K {
  using Stored = Q6_K;
  using Packed = PackedQ6_K;
  static constexpr uint32_t kTiles = 8;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static Codes Decode(const Stored& s, uint32_t t) {
    // Tile t is quarter t % 4 of half t / 4; quarters 0, 1 are the low nibbles of bytes 0.., 32..,
    // quarters 2, 3 the high nibbles of the same bytes.
    const uint32_t half = t / 4;
    const uint32_t quarter = t % 4;
    Codes c;
    FromNibbles(s.ql + 64 * half + 32 * (quarter % 2), 4 * static_cast<int>(quarter / 2), &c);
    for (int g = 0; g < 8; ++g) {
      c.group[g] |= ((LoadWord(s.qh + 32 * half + 4 * g) >> (2 * quarter)) & 0x03030303U) << 4;
    }
    return c;
  }
  static void Read(const Codes& c, uint16_t d, const int8_t scales[2], float out[32]) {
    for (uint32_t i = 0; i < 32; ++i) {
      const float ds = F16ToF32(d) * static_cast<float>(scales[i / 16]);
      out[i] = ds * static_cast<float>(static_cast<int>(c.at(i)) - 32);
    }
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.d[lane] = s.d; }
  static void PackTile(const Stored& s, uint32_t t, uint32_t lane, Packed& p) {
    const Codes c = Decode(s, t);
    PutQ4(c, lane, p.tile[t].q4);
    PutH2(c, lane, p.tile[t].h2);
    p.tile[t].scale[0][lane] = s.scales[2 * t];
    p.tile[t].scale[1][lane] = s.scales[2 * t + 1];
  }
  static void ReadStored(const Stored& s, uint32_t t, float out[32]) {
    Read(Decode(s, t), s.d, s.scales + 2 * t, out);
  }
  static void ReadPacked(const Packed& p, uint32_t t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.tile[t].q4, lane, &c);
    GetH2(p.tile[t].h2, lane, &c);
    const int8_t scales[2] = {p.tile[t].scale[0][lane], p.tile[t].scale[1][lane]};
    Read(c, p.d[lane], scales, out);
  }
};

}  // namespace
}  // namespace gguf

const WeightFormat& GgufQ4_K() {
  static const gguf::PackedFormat<gguf::TraitQ4_K, FormatId::kQ4_K, DType::kQ4_K> format;
  return format;
}
const WeightFormat& GgufQ5_K() {
  static const gguf::PackedFormat<gguf::TraitQ5_K, FormatId::kQ5_K, DType::kQ5_K> format;
  return format;
}
const WeightFormat& GgufQ6_K() {
  static const gguf::PackedFormat<gguf::TraitQ6_K, FormatId::kQ6_K, DType::kQ6_K> format;
  return format;
}

}  // namespace wring
