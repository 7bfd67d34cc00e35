// Panels become fragments.
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/codes.h"
#include "quant/fragments/fragments.h"
#include "quant/fragments/parts.h"
#include "quant/gguf/blocks.h"
#include "tensor/half.h"

namespace wring {
namespace {

using namespace gguf;

constexpr float kFactor = 1 << kScaleBits;
constexpr float kMaxHalf = 65504;

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
  RecordWriter(const FragmentParts& parts, std::byte* out) : p_(parts), out_(out) {}

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
    std::byte* at = out_ + p_.header() + (row % 8) * 4 * halves;
    StoreHalf(at + (row / 8) * 2 * halves + 2 * which, value);
  }

 private:
  static uint32_t Lane(uint32_t row, uint32_t t) { return 4 * (row % 8) + t; }
  std::byte* Code(uint32_t block) { return out_ + block / 2 * p_.code_bytes; }
  std::byte* High(uint32_t block) { return out_ + p_.highs() + block / 2 * p_.high_bytes; }
  std::byte* Scale(uint32_t block) { return out_ + p_.scales() + block / 2 * p_.scale_bytes; }
  static void StoreAt(std::byte* p, uint32_t word) { std::memcpy(p, &word, 4); }
  static void OrAt(std::byte* p, uint32_t bits) {
    uint32_t word;
    std::memcpy(&word, p, 4);
    word |= bits;
    std::memcpy(p, &word, 4);
  }

  const FragmentParts p_;
  std::byte* out_;
};

// ---- from panels ----

// Types with float16 scales a block of 32 columns: P is the packed struct, `fill` writes codes and scales of a row.
template <typename P, typename F>
bool PackBlocks(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out,
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
bool PackSuper(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out,
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
bool PackAffine4(const FragmentParts& parts, const std::byte* panel, uint32_t cols,
                 std::byte* out) {
  return PackBlocks<P>(parts, panel, cols, out,
                       [](const P& p, uint32_t row, uint32_t block, RecordWriter& w, bool* ok) {
                         Codes c;
                         GetQ4(p.q4, row, &c);
                         constexpr bool kFive = requires { p.h1; };
                         constexpr bool kMin = requires { p.m; };
                         if constexpr (kFive) GetH1(p.h1, row, &c);
                         w.Codes4(block, row, c);
                         if constexpr (kFive) w.High1(block, row, c);
                         constexpr uint32_t kHalves = kMin ? 2 : 1;
                         w.Scale16(block, row, kHalves, 0, Scaled(p.d[row], ok));
                         if constexpr (kMin)
                           w.Scale16(block, row, kHalves, 1, Scaled(p.m[row], ok));
                       });
}

template <typename P>
bool PackAffineK(const FragmentParts& parts, const std::byte* panel, uint32_t cols,
                 std::byte* out) {
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

bool PackQ6_K(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<PackedQ6_K>(
      parts, panel, cols, out,
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

bool PackQ8_0(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackBlocks<PackedQ8_0>(
      parts, panel, cols, out,
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

bool Pack(FormatId format, const std::byte* panel, uint32_t cols, std::byte* out) {
  const FragmentParts parts = FragmentPartsOf(format);
  switch (format) {
    case FormatId::kQ8_0: return PackQ8_0(parts, panel, cols, out);
    case FormatId::kQ4_0: return PackAffine4<PackedQ4_0>(parts, panel, cols, out);
    case FormatId::kQ4_1: return PackAffine4<PackedQ4_1>(parts, panel, cols, out);
    case FormatId::kQ5_0: return PackAffine4<PackedQ5_0>(parts, panel, cols, out);
    case FormatId::kQ5_1: return PackAffine4<PackedQ5_1>(parts, panel, cols, out);
    case FormatId::kQ4_K: return PackAffineK<PackedQ4_K>(parts, panel, cols, out);
    case FormatId::kQ5_K: return PackAffineK<PackedQ5_K>(parts, panel, cols, out);
    case FormatId::kQ6_K: return PackQ6_K(parts, panel, cols, out);
    default: return PackPlain(format, panel, cols, out);
  }
}

}  // namespace

Status PackFragments(FormatId format, const std::byte* panel, uint32_t cols, std::byte* out) {
  std::memset(out, 0, FragmentMatrix{format, 16, cols, nullptr}.tile_bytes());
  if (Pack(format, panel, cols, out)) return {};
  return Error(Code::kUnsupported,
               "weights above {} do not fit the GPU's float16: run this model on the CPU (--device "
               "cpu)",
               kMaxHalf / kFactor);
}

}  // namespace wring
