#include "quant/fragments/fragments.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "quant/codes.h"
#include "quant/gguf/blocks.h"
#include "tensor/half.h"

namespace wring {
namespace {

using namespace gguf;

constexpr float kFactor = 1 << kScaleBits;
constexpr float kMaxHalf = 65504;

// ---- where the parts of a record stand; kernels/cuda/fragments.cuh has the same numbers ----
struct Parts {
  uint32_t strips;  // a record
  uint32_t code_bytes, high_bytes, scale_bytes;  // a strip
  uint32_t header_bytes;                         // a record
  constexpr uint32_t record() const {
    return strips * (code_bytes + high_bytes + scale_bytes) + header_bytes;
  }
};
constexpr Parts kPlainParts = {1, 2048, 0, 0, 0};
constexpr Parts kQ8_0Parts = {1, 1024, 0, 64, 0};
constexpr Parts kQ4_0Parts = {1, 512, 0, 64, 0};
constexpr Parts kQ4_1Parts = {1, 512, 0, 128, 0};
constexpr Parts kQ5_0Parts = {1, 512, 128, 64, 0};
constexpr Parts kQ5_1Parts = {1, 512, 128, 128, 0};
constexpr Parts kQ4_KParts = {4, 512, 0, 64, 64};
constexpr Parts kQ5_KParts = {4, 512, 128, 64, 64};
constexpr Parts kQ6_KParts = {4, 512, 256, 64, 32};

constexpr FragmentLayout Layout(const Parts& p) { return {p.strips, p.record(), 1 / kFactor}; }

uint16_t LoadHalf(const std::byte* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}
void StoreHalf(std::byte* p, uint16_t h) { std::memcpy(p, &h, 2); }

// A float16 times the factor; `ok` falls when it does not fit.
uint16_t Scaled(uint16_t h, bool* ok) {
  const float v = F16ToF32(h) * kFactor;
  *ok &= std::abs(v) <= kMaxHalf;
  return F32ToF16(v);
}

// One record of a tile while it is written: 16 rows, `strips` strips.
class RecordWriter {
 public:
  RecordWriter(const Parts& parts, std::byte* out) : p_(parts), out_(out) {}

  // The codes of 32 columns of a row, of up to 6 bits; `block` within the record.
  void Codes4(uint32_t block, uint32_t row, const Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      uint32_t word = 0;
      for (uint32_t k = 0; k < 8; ++k) {
        word |= (c.at(8 * t + k) & 15) << (4 * (k / 2 + 4 * (k % 2)));
      }
      StoreAt(Code(block) + 16 * Lane(row, t) + 8 * (block % 2) + 4 * (row / 8), word);
    }
  }
  void High1(uint32_t block, uint32_t row, const Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t bit = 8 * (row / 8) + 4 * (block % 2) + k / 2 + 16 * (k % 2);
        OrAt(High(block) + 4 * Lane(row, t), ((c.at(8 * t + k) >> 4) & 1) << bit);
      }
    }
  }
  void High2(uint32_t block, uint32_t row, const Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t bit = 2 * (4 * (block % 2) + k / 2) + 16 * (k % 2);
        OrAt(High(block) + 8 * Lane(row, t) + 4 * (row / 8), ((c.at(8 * t + k) >> 4) & 3) << bit);
      }
    }
  }
  void Codes8(uint32_t block, uint32_t row, const Codes& c) {
    for (uint32_t t = 0; t < 4; ++t) {
      std::byte* at = Code(block) + 512 * (block % 2) + 16 * Lane(row, t) + 8 * (row / 8);
      for (uint32_t k = 0; k < 8; ++k) at[k] = static_cast<std::byte>(c.at(8 * t + k));
    }
  }
  // `halves` float16 a row and block.
  void Scale16(uint32_t block, uint32_t row, uint32_t halves, uint32_t which, uint16_t value) {
    std::byte* at = Scale(block) + (row % 8) * 8 * halves;
    StoreHalf(at + (2 * (block % 2) + row / 8) * 2 * halves + 2 * which, value);
  }
  void ScaleMin8(uint32_t block, uint32_t row, uint8_t scale, uint8_t min) {
    std::byte* at = Scale(block) + (row % 8) * 8 + 4 * (block % 2) + 2 * (row / 8);
    at[0] = static_cast<std::byte>(scale);
    at[1] = static_cast<std::byte>(min);
  }
  void Scale8Halves(uint32_t block, uint32_t row, uint32_t half, int8_t scale) {
    std::byte* at = Scale(block) + ((row % 8) * 2 + half) * 4;
    at[2 * (block % 2) + row / 8] = static_cast<std::byte>(scale + 128);
  }
  void Header(uint32_t row, uint32_t halves, uint32_t which, uint16_t value) {
    std::byte* at = out_ + p_.record() - p_.header_bytes + (row % 8) * 4 * halves;
    StoreHalf(at + (row / 8) * 2 * halves + 2 * which, value);
  }

 private:
  static uint32_t Lane(uint32_t row, uint32_t t) { return 4 * (row % 8) + t; }
  std::byte* Code(uint32_t block) { return out_ + block / 2 * p_.code_bytes; }
  std::byte* High(uint32_t block) {
    return out_ + p_.strips * p_.code_bytes + block / 2 * p_.high_bytes;
  }
  std::byte* Scale(uint32_t block) {
    return out_ + p_.strips * (p_.code_bytes + p_.high_bytes) + block / 2 * p_.scale_bytes;
  }
  static void StoreAt(std::byte* p, uint32_t word) { std::memcpy(p, &word, 4); }
  static void OrAt(std::byte* p, uint32_t bits) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    word |= bits;
    std::memcpy(p, &word, 4);
  }

  const Parts& p_;
  std::byte* out_;
};

// ---- from panels ----

// Types with float16 scales a block of 32 columns: P is the packed struct, `fill` writes codes and scales of a row.
template <typename P, typename F>
bool PackBlocks(const Parts& parts, const std::byte* panel, uint32_t cols, std::byte* out,
                const F& fill) {
  bool ok = true;
  for (uint32_t block = 0; block < cols / 32; ++block) {
    P p;
    std::memcpy(&p, panel + block * sizeof(P), sizeof(P));
    RecordWriter writer(parts, out + block / 2 * parts.record());
    for (uint32_t row = 0; row < 16; ++row) fill(p, row, block % 2, writer, &ok);
  }
  return ok;
}

// K types: P has a header and eight tiles of 32 columns.
template <typename P, typename Head, typename F>
bool PackSuper(const Parts& parts, const std::byte* panel, uint32_t cols, std::byte* out,
               const Head& head, const F& fill) {
  bool ok = true;
  for (uint32_t super = 0; super < cols / 256; ++super) {
    P p;
    std::memcpy(&p, panel + super * sizeof(P), sizeof(P));
    RecordWriter writer(parts, out + super * parts.record());
    for (uint32_t row = 0; row < 16; ++row) {
      head(p, row, writer, &ok);
      for (uint32_t block = 0; block < 8; ++block) fill(p.tile[block], row, block, writer);
    }
  }
  return ok;
}

template <typename P>
bool PackAffine4(const Parts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackBlocks<P>(parts, panel, cols, out, [](const P& p, uint32_t row, uint32_t block,
                                                   RecordWriter& w, bool* ok) {
    Codes c;
    GetQ4(p.q4, row, &c);
    constexpr bool kFive = requires { p.h1; };
    constexpr bool kMin = requires { p.m; };
    if constexpr (kFive) GetH1(p.h1, row, &c);
    w.Codes4(block, row, c);
    if constexpr (kFive) w.High1(block, row, c);
    constexpr uint32_t kHalves = kMin ? 2 : 1;
    w.Scale16(block, row, kHalves, 0, Scaled(p.d[row], ok));
    if constexpr (kMin) w.Scale16(block, row, kHalves, 1, Scaled(p.m[row], ok));
  });
}

template <typename P>
bool PackAffineK(const Parts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<P>(
      parts, panel, cols, out,
      [](const P& p, uint32_t row, RecordWriter& w, bool* ok) {
        const uint16_t d = Scaled(p.d[row], ok);
        const uint16_t dmin = Scaled(p.neg_dmin[row], ok);
        for (int t = 0; t < 8; ++t) {
          *ok &= std::abs(F16ToF32(d)) * p.tile[t].scale[row] * 31 <= kMaxHalf;
          *ok &= std::abs(F16ToF32(dmin)) * p.tile[t].min[row] <= kMaxHalf;
        }
        w.Header(row, 2, 0, d);
        w.Header(row, 2, 1, dmin);
      },
      [](const auto& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ4(tile.q4, row, &c);
        constexpr bool kFive = requires { tile.h1; };
        if constexpr (kFive) GetH1(tile.h1, row, &c);
        w.Codes4(block, row, c);
        if constexpr (kFive) w.High1(block, row, c);
        w.ScaleMin8(block, row, tile.scale[row], tile.min[row]);
      });
}

bool PackQ6_K(const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<PackedQ6_K>(
      kQ6_KParts, panel, cols, out,
      [](const PackedQ6_K& p, uint32_t row, RecordWriter& w, bool* ok) {
        const uint16_t d = Scaled(p.d[row], ok);
        *ok &= std::abs(F16ToF32(d)) * 128 * 32 <= kMaxHalf;
        w.Header(row, 1, 0, d);
      },
      [](const PackedQ6_K::Tile& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ4(tile.q4, row, &c);
        GetH2(tile.h2, row, &c);
        w.Codes4(block, row, c);
        w.High2(block, row, c);
        w.Scale8Halves(block, row, 0, tile.scale[0][row]);
        w.Scale8Halves(block, row, 1, tile.scale[1][row]);
      });
}

bool PackQ8_0(const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackBlocks<PackedQ8_0>(
      kQ8_0Parts, panel, cols, out,
      [](const PackedQ8_0& p, uint32_t row, uint32_t block, RecordWriter& w, bool* ok) {
        Codes c;
        for (uint32_t g = 0; g < 8; ++g) c.group[g] = LoadWord(p.q8[g][row]);
        w.Codes8(block, row, c);
        const uint16_t d = Scaled(p.d[row], ok);
        *ok &= std::abs(F16ToF32(d)) * 128 <= kMaxHalf;
        w.Scale16(block, row, 1, 0, d);
      });
}

bool PackPlain(FormatId format, const std::byte* panel, uint32_t cols, std::byte* out) {
  const uint64_t stride = RoundUp(cols, kStripCols);
  std::vector<float> row(cols);
  bool ok = true;
  for (uint32_t r = 0; r < 16; ++r) {
    Format(format).DequantPacked(panel, r, cols, row.data());
    for (uint32_t c = 0; c < cols; ++c) {
      const float v = format == FormatId::kF16 ? row[c] : row[c] * kFactor;
      ok &= std::abs(v) <= kMaxHalf;
      StoreHalf(out + (r * stride + c) * 2, F32ToF16(v));
    }
  }
  return ok;
}

// ---- values, for tests: the kernels' roundings ----

double Half(double v) {  // one rounding to float16, to nearest even; no overflow
  if (v == 0) return 0;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(v), -14) - 10);
  return std::nearbyint(v / unit) * unit;
}

struct Reader {
  const Parts& p;
  const std::byte* tile;
  uint32_t row;
  const std::byte* Record(uint32_t block) const {
    return tile + block / 2 / p.strips * p.record();
  }
  uint32_t Strip(uint32_t block) const { return block / 2 % p.strips; }
  uint32_t Word(const std::byte* at) const {
    uint32_t w;
    std::memcpy(&w, at, 4);
    return w;
  }
  uint32_t Code(uint32_t block, uint32_t col) const {
    const uint32_t lane = 4 * (row % 8) + col / 8;
    const uint32_t k = col % 8;
    const std::byte* codes = Record(block) + Strip(block) * p.code_bytes;
    if (p.code_bytes == 1024) {
      return static_cast<uint32_t>(codes[512 * (block % 2) + 16 * lane + 8 * (row / 8) + k]);
    }
    uint32_t code = Word(codes + 16 * lane + 8 * (block % 2) + 4 * (row / 8)) >>
                        (4 * (k / 2 + 4 * (k % 2))) & 15;
    const std::byte* high = Record(block) + p.strips * p.code_bytes + Strip(block) * p.high_bytes;
    const uint32_t pair = 4 * (block % 2) + k / 2;
    if (p.high_bytes == 128) {
      code |= (Word(high + 4 * lane) >> (8 * (row / 8) + pair + 16 * (k % 2)) & 1) << 4;
    } else if (p.high_bytes == 256) {
      code |= (Word(high + 8 * lane + 4 * (row / 8)) >> (2 * pair + 16 * (k % 2)) & 3) << 4;
    }
    return code;
  }
  const std::byte* Scales(uint32_t block) const {
    return Record(block) + p.strips * (p.code_bytes + p.high_bytes) + Strip(block) * p.scale_bytes;
  }
  double Scale16(uint32_t block, uint32_t halves, uint32_t which) const {
    return F16ToF32(LoadHalf(Scales(block) + (row % 8) * 8 * halves +
                             (2 * (block % 2) + row / 8) * 2 * halves + 2 * which));
  }
  double Scale8(uint32_t block, uint32_t which) const {
    return static_cast<double>(Scales(block)[(row % 8) * 8 + 4 * (block % 2) + 2 * (row / 8) + which]);
  }
  double Scale8Half(uint32_t block, uint32_t half) const {
    return static_cast<double>(Scales(block)[((row % 8) * 2 + half) * 4 + 2 * (block % 2) + row / 8]) -
           128;
  }
  double Header(uint32_t block, uint32_t halves, uint32_t which) const {
    return F16ToF32(LoadHalf(Record(block) + p.record() - p.header_bytes + (row % 8) * 4 * halves +
                             (row / 8) * 2 * halves + 2 * which));
  }
};

struct Entry {
  Parts parts;
  bool (*pack)(const std::byte* panel, uint32_t cols, std::byte* out);
  double (*value)(const Reader& r, uint32_t block, uint32_t col);
};

double Symmetric(const Reader& r, uint32_t block, uint32_t col, int offset) {
  return Half((static_cast<int>(r.Code(block, col)) - offset) * r.Scale16(block, 1, 0));
}
double Affine(const Reader& r, uint32_t block, uint32_t col) {
  return Half(r.Code(block, col) * r.Scale16(block, 2, 0) + r.Scale16(block, 2, 1));
}
double AffineK(const Reader& r, uint32_t block, uint32_t col) {
  const double s = Half(r.Header(block, 2, 0) * r.Scale8(block, 0));
  const double m = Half(r.Header(block, 2, 1) * r.Scale8(block, 1));
  return Half(r.Code(block, col) * s + m);
}

const Entry* EntryOf(FormatId format) {
  static const Entry kQ8_0 = {kQ8_0Parts, PackQ8_0, [](const Reader& r, uint32_t b, uint32_t c) {
                                return Symmetric(r, b, c, 128);
                              }};
  static const Entry kQ4_0 = {
      kQ4_0Parts,
      [](const std::byte* p, uint32_t cols, std::byte* out) {
        return PackAffine4<PackedQ4_0>(kQ4_0Parts, p, cols, out);
      },
      [](const Reader& r, uint32_t b, uint32_t c) { return Symmetric(r, b, c, 8); }};
  static const Entry kQ4_1 = {kQ4_1Parts,
                              [](const std::byte* p, uint32_t cols, std::byte* out) {
                                return PackAffine4<PackedQ4_1>(kQ4_1Parts, p, cols, out);
                              },
                              Affine};
  static const Entry kQ5_0 = {
      kQ5_0Parts,
      [](const std::byte* p, uint32_t cols, std::byte* out) {
        return PackAffine4<PackedQ5_0>(kQ5_0Parts, p, cols, out);
      },
      [](const Reader& r, uint32_t b, uint32_t c) { return Symmetric(r, b, c, 16); }};
  static const Entry kQ5_1 = {kQ5_1Parts,
                              [](const std::byte* p, uint32_t cols, std::byte* out) {
                                return PackAffine4<PackedQ5_1>(kQ5_1Parts, p, cols, out);
                              },
                              Affine};
  static const Entry kQ4_K = {kQ4_KParts,
                              [](const std::byte* p, uint32_t cols, std::byte* out) {
                                return PackAffineK<PackedQ4_K>(kQ4_KParts, p, cols, out);
                              },
                              AffineK};
  static const Entry kQ5_K = {kQ5_KParts,
                              [](const std::byte* p, uint32_t cols, std::byte* out) {
                                return PackAffineK<PackedQ5_K>(kQ5_KParts, p, cols, out);
                              },
                              AffineK};
  static const Entry kQ6_K = {kQ6_KParts, PackQ6_K, [](const Reader& r, uint32_t b, uint32_t c) {
                                const double s = Half(r.Header(b, 1, 0) * r.Scale8Half(b, c / 16));
                                return Half((static_cast<int>(r.Code(b, c)) - 32) * s);
                              }};
  switch (format) {
    case FormatId::kQ8_0: return &kQ8_0;
    case FormatId::kQ4_0: return &kQ4_0;
    case FormatId::kQ4_1: return &kQ4_1;
    case FormatId::kQ5_0: return &kQ5_0;
    case FormatId::kQ5_1: return &kQ5_1;
    case FormatId::kQ4_K: return &kQ4_K;
    case FormatId::kQ5_K: return &kQ5_K;
    case FormatId::kQ6_K: return &kQ6_K;
    default: return nullptr;
  }
}

bool IsPlain(FormatId format) {
  return format == FormatId::kF32 || format == FormatId::kF16 || format == FormatId::kBF16;
}

}  // namespace

const FragmentLayout& FragmentsOf(FormatId format) {
  static const auto table = [] {
    std::vector<FragmentLayout> all(kFormatCount);
    for (size_t f = 0; f < kFormatCount; ++f) {
      const auto id = static_cast<FormatId>(f);
      if (const Entry* e = EntryOf(id)) all[f] = Layout(e->parts);
      if (IsPlain(id)) all[f] = Layout(kPlainParts);
      if (id == FormatId::kF16) all[f].alpha = 1;
    }
    return all;
  }();
  return table[static_cast<size_t>(format)];
}

uint32_t FragmentMatrix::strips() const {
  return RoundUp(CeilDiv(cols, kStripCols), FragmentsOf(format).record_strips);
}
uint64_t FragmentMatrix::tile_bytes() const {
  const FragmentLayout& l = FragmentsOf(format);
  return uint64_t{strips()} / l.record_strips * l.record_bytes;
}

Status PackFragments(FormatId format, const std::byte* panel, uint32_t cols, std::byte* out) {
  std::memset(out, 0, FragmentMatrix{format, 16, cols, nullptr}.tile_bytes());
  const bool ok = IsPlain(format) ? PackPlain(format, panel, cols, out)
                                  : EntryOf(format)->pack(panel, cols, out);
  if (ok) return {};
  return Error(Code::kUnsupported,
               "weights above {} do not fit the GPU's float16: run this model on the CPU (--device "
               "cpu)",
               kMaxHalf / kFactor);
}

void ReadFragments(const FragmentMatrix& m, const std::byte* tile, uint32_t row, float* out) {
  const float alpha = FragmentsOf(m.format).alpha;
  for (uint32_t c = 0; c < m.cols; ++c) {
    if (IsPlain(m.format)) {
      out[c] = alpha * F16ToF32(LoadHalf(tile + (uint64_t{row} * m.strips() * kStripCols + c) * 2));
    } else {
      const Entry& e = *EntryOf(m.format);
      out[c] = alpha * static_cast<float>(e.value(Reader{e.parts, tile, row}, c / 32, c % 32));
    }
  }
}

}  // namespace wring
