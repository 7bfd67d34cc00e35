// Panels become fragments.
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "quant/codes.h"
#include "quant/fp8/blocks.h"
#include "quant/fragments/fragments.h"
#include "quant/fragments/parts.h"
#include "quant/fragments/record_writer.h"
#include "quant/gguf/blocks.h"
#include "quant/int4/blocks.h"
#include "tensor/half.h"

namespace wring {
namespace {

using namespace gguf;

constexpr float kFactor = 1 << kScaleBits;
constexpr float kMaxHalf = 65504;

// A scale times the factor, of codes up to `most`; `ok` falls when a product may not fit.
uint16_t Scaled(float scale, float most, bool* ok) {
  const float v = scale * kFactor;
  *ok &= std::abs(v) * most <= kMaxHalf;
  return F32ToF16(v);
}
uint16_t Scaled(uint16_t h, bool* ok) { return Scaled(F16ToF32(h), 1, ok); }

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

bool PackQ2_K(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<PackedQ2_K>(
      parts, panel, cols, out,
      [](const PackedQ2_K& p, uint32_t row, RecordWriter& w, bool* ok) {
        w.Header(row, 2, 0, Scaled(F16ToF32(p.d[row]), 15 * 3, ok));
        w.Header(row, 2, 1, Scaled(F16ToF32(p.neg_dmin[row]), 15, ok));
      },
      [](const PackedQ2_K::Tile& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ2(tile.q2, row, &c);
        w.Codes2(block, row, c);
        for (uint32_t half = 0; half < 2; ++half)
          w.ByteOfHalf(block, row, half, tile.scale_min[half][row]);
      });
}

bool PackQ3_K(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<PackedQ3_K>(
      parts, panel, cols, out,
      [](const PackedQ3_K& p, uint32_t row, RecordWriter& w, bool* ok) {
        w.Header(row, 1, 0, Scaled(F16ToF32(p.d[row]), 32 * 4, ok));
        uint8_t scales[12];
        for (uint32_t i = 0; i < 12; ++i) scales[i] = p.scales[i][row];
        for (uint32_t i = 0; i < 16; ++i)
          w.Scale8Halves(i / 2, row, i % 2, ScaleQ3(scales, static_cast<int>(i)));
      },
      [](const PackedQ3_K::Tile& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ2(tile.q2, row, &c);
        GetH1Third(tile.h1, row, &c);
        w.Codes2(block, row, c);
        w.High1(block, row, c, 2);
      });
}

bool PackIQ4_XS(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackSuper<PackedIQ4_XS>(
      parts, panel, cols, out,
      [](const PackedIQ4_XS& p, uint32_t row, RecordWriter& w, bool* ok) {
        w.Header(row, 1, 0, Scaled(F16ToF32(p.d[row]), 32 * 127, ok));
      },
      [](const PackedIQ4_XS::Tile& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ4(tile.q4, row, &c);
        w.Codes4(block, row, c);
        w.Scale8One(block, row, tile.scale[row]);
      });
}

// Tables of 16 values with a scale a block. MXFP4's scales below 2^-32 become 0: float16 has no place for them.
template <typename P>
bool PackTable(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  return PackBlocks<P>(parts, panel, cols, out,
                       [](const P& p, uint32_t row, uint32_t block, RecordWriter& w, bool* ok) {
                         Codes c;
                         GetQ4(p.q4, row, &c);
                         w.Codes4(block, row, c);
                         if constexpr (requires { p.e; }) {
                           const float scale = std::ldexp(1.F, p.e[row] - 128);
                           w.Scale16(block, row, 1, 0, Scaled(scale, 12, ok));
                         } else {
                           w.Scale16(block, row, 1, 0, Scaled(F16ToF32(p.d[row]), 127, ok));
                         }
                       });
}

// Checkpoints' groups: codes(tile, row, block, writer), scale(packed, row, float16 a row: of a block, or of the record).
template <typename P, typename C, typename S>
bool PackGroups(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out,
                const C& codes, const S& scale) {
  constexpr uint32_t kTiles = std::extent_v<decltype(P::tile)>;
  bool ok = true;
  for (uint32_t block = 0; block < cols / 32; ++block) {
    P p;
    std::memcpy(&p, panel + block / kTiles * sizeof(P), sizeof(P));
    const uint32_t in_record = block % (2 * parts.strips);
    RecordWriter w(parts, out + block / (2 * parts.strips) * parts.record());
    for (uint32_t row = 0; row < 16; ++row) {
      codes(p.tile[block % kTiles], row, in_record, w);
      scale(p, row, &ok, [&](uint32_t halves, uint32_t which, uint16_t value) {
        if (kTiles == 1) {
          w.Scale16(in_record, row, halves, which, value);
        } else {
          w.Header(row, halves, which, value);
        }
      });
    }
  }
  return ok;
}

template <uint32_t kGroup>
bool PackInt4(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  using P = int4::Packed<kGroup>;
  return PackGroups<P>(
      parts, panel, cols, out,
      [](const auto& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c;
        GetQ4(tile.q4, row, &c);
        w.Codes4(block, row, c);
      },
      [](const P& p, uint32_t row, bool* ok, const auto& put) {
        put(2, 0, Scaled(p.scale[row], 15, ok));
        put(2, 1, F32ToF16(-static_cast<float>(p.zero[row])));
      });
}

template <uint32_t kGroup>
bool PackFp8(const FragmentParts& parts, const std::byte* panel, uint32_t cols, std::byte* out) {
  using P = fp8::Packed<kGroup>;
  return PackGroups<P>(
      parts, panel, cols, out,
      [](const auto& tile, uint32_t row, uint32_t block, RecordWriter& w) {
        Codes c = {};
        for (uint32_t i = 0; i < 32; ++i)
          c.group[i / 4] |= static_cast<uint32_t>(tile.q[i][row]) << (8 * (i % 4));
        w.Codes8(block, row, c);
      },
      [](const P& p, uint32_t row, bool* ok, const auto& put) {
        // 448 is the largest; the codes count 2^-8.
        put(1, 0, Scaled(p.scale[row] * 256, 448.F / 256, ok));
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
    case FormatId::kQ2_K: return PackQ2_K(parts, panel, cols, out);
    case FormatId::kQ3_K: return PackQ3_K(parts, panel, cols, out);
    case FormatId::kIQ4_XS: return PackIQ4_XS(parts, panel, cols, out);
    case FormatId::kIQ4_NL: return PackTable<PackedIQ4_NL>(parts, panel, cols, out);
    case FormatId::kMXFP4: return PackTable<PackedMXFP4>(parts, panel, cols, out);
    case FormatId::kInt4G32: return PackInt4<32>(parts, panel, cols, out);
    case FormatId::kInt4G128: return PackInt4<128>(parts, panel, cols, out);
    case FormatId::kFp8G32: return PackFp8<32>(parts, panel, cols, out);
    case FormatId::kFp8G128: return PackFp8<128>(parts, panel, cols, out);
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
