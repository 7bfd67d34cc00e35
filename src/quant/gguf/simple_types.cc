// Q8_0, Q4_0, Q4_1, Q5_0, Q5_1: blocks of 32 columns with a float16 scale (and min).
#include "quant/codes.h"
#include "quant/gguf/formats.h"
#include "quant/packed_format.h"
#include "tensor/half.h"

namespace wring {
namespace gguf {
namespace {

// w = d * (code - offset), the form of every symmetric type.
void Symmetric(const Codes& c, uint16_t d, int offset, float out[32]) {
  const float scale = F16ToF32(d);
  for (uint32_t i = 0; i < 32; ++i) {
    out[i] = scale * static_cast<float>(static_cast<int>(c.at(i)) - offset);
  }
}

// w = d * code + m.
void WithMin(const Codes& c, uint16_t d, uint16_t m, float out[32]) {
  const float scale = F16ToF32(d);
  const float min = F16ToF32(m);
  for (uint32_t i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(c.at(i)) + min;
}

struct TraitQ8_0 {
  using Stored = Q8_0;
  using Packed = PackedQ8_0;
  static constexpr uint32_t kTiles = 1;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.d[lane] = s.d; }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    for (int g = 0; g < 8; ++g) StoreWord(p.q8[g][lane], LoadWord(s.q + 4 * g) ^ 0x80808080U);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    const float scale = F16ToF32(s.d);
    for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(s.q[i]);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    for (int g = 0; g < 8; ++g) c.group[g] = LoadWord(p.q8[g][lane]);
    Symmetric(c, p.d[lane], 128, out);
  }
};

struct TraitQ4_0 {
  using Stored = Q4_0;
  using Packed = PackedQ4_0;
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
    Symmetric(c, s.d, 8, out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    Symmetric(c, p.d[lane], 8, out);
  }
};

struct TraitQ4_1 {
  using Stored = Q4_1;
  using Packed = PackedQ4_1;
  static constexpr uint32_t kTiles = 1;
  static std::span<const uint16_t> Halves(const Packed& p) { return {p.d, 32}; }  // d, then m
  static void Header(const Stored& s, uint32_t lane, Packed& p) {
    p.d[lane] = s.d;
    p.m[lane] = s.m;
  }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    Codes c;
    FromHalves(s.q, &c);
    PutQ4(c, lane, p.q4);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    Codes c;
    FromHalves(s.q, &c);
    WithMin(c, s.d, s.m, out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    WithMin(c, p.d[lane], p.m[lane], out);
  }
};

struct TraitQ5_0 {
  using Stored = Q5_0;
  using Packed = PackedQ5_0;
  static constexpr uint32_t kTiles = 1;
  static std::span<const uint16_t> Halves(const Packed& p) { return p.d; }
  static Codes Decode(const Stored& s) {
    Codes c;
    FromHalves(s.q, &c);
    const uint32_t h = LoadWord(s.h);
    for (int g = 0; g < 8; ++g) c.group[g] |= SpreadBits(h, g, 4);
    return c;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) { p.d[lane] = s.d; }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    const Codes c = Decode(s);
    PutQ4(c, lane, p.q4);
    PutH1(c, lane, p.h1);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    Symmetric(Decode(s), s.d, 16, out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    GetH1(p.h1, lane, &c);
    Symmetric(c, p.d[lane], 16, out);
  }
};

struct TraitQ5_1 {
  using Stored = Q5_1;
  using Packed = PackedQ5_1;
  static constexpr uint32_t kTiles = 1;
  static std::span<const uint16_t> Halves(const Packed& p) { return {p.d, 32}; }  // d, then m
  static Codes Decode(const Stored& s) {
    Codes c;
    FromHalves(s.q, &c);
    const uint32_t h = LoadWord(s.h);
    for (int g = 0; g < 8; ++g) c.group[g] |= SpreadBits(h, g, 4);
    return c;
  }
  static void Header(const Stored& s, uint32_t lane, Packed& p) {
    p.d[lane] = s.d;
    p.m[lane] = s.m;
  }
  static void PackTile(const Stored& s, uint32_t, uint32_t lane, Packed& p) {
    const Codes c = Decode(s);
    PutQ4(c, lane, p.q4);
    PutH1(c, lane, p.h1);
  }
  static void ReadStored(const Stored& s, uint32_t, float out[32]) {
    WithMin(Decode(s), s.d, s.m, out);
  }
  static void ReadPacked(const Packed& p, uint32_t, uint32_t lane, float out[32]) {
    Codes c;
    GetQ4(p.q4, lane, &c);
    GetH1(p.h1, lane, &c);
    WithMin(c, p.d[lane], p.m[lane], out);
  }
};

}  // namespace
}  // namespace gguf

const WeightFormat& GgufQ8_0() {
  static const gguf::PackedFormat<gguf::TraitQ8_0, FormatId::kQ8_0, DType::kQ8_0> format;
  return format;
}
const WeightFormat& GgufQ4_0() {
  static const gguf::PackedFormat<gguf::TraitQ4_0, FormatId::kQ4_0, DType::kQ4_0> format;
  return format;
}
const WeightFormat& GgufQ4_1() {
  static const gguf::PackedFormat<gguf::TraitQ4_1, FormatId::kQ4_1, DType::kQ4_1> format;
  return format;
}
const WeightFormat& GgufQ5_0() {
  static const gguf::PackedFormat<gguf::TraitQ5_0, FormatId::kQ5_0, DType::kQ5_0> format;
  return format;
}
const WeightFormat& GgufQ5_1() {
  static const gguf::PackedFormat<gguf::TraitQ5_1, FormatId::kQ5_1, DType::kQ5_1> format;
  return format;
}

}  // namespace wring
