// Sizes of fragments, and their values with the kernels' roundings.
#include "quant/fragments/fragments.h"

#include <cmath>
#include <cstring>

#include "quant/fp8/blocks.h"
#include "quant/fragments/parts.h"
#include "quant/gguf/blocks.h"
#include "tensor/half.h"

namespace wring {
namespace {

uint16_t LoadHalf(const std::byte* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}

double Half(double v) {  // one rounding to float16, to nearest even; no overflow
  if (v == 0) return 0;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(v), -14) - 10);
  return std::nearbyint(v / unit) * unit;
}

struct Reader {
  const FragmentParts p;
  const std::byte* tile;
  uint32_t row;
  const std::byte* Record(uint32_t block) const { return tile + block / 2 / p.strips * p.record(); }
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
    const std::byte* high = Record(block) + p.highs() + Strip(block) * p.high_bytes;
    const uint32_t pair = 4 * (block % 2) + k / 2;
    const auto two_bits = [&](const std::byte* at) {
      return Word(at + 8 * lane + 4 * (row / 8)) >> (2 * pair + 16 * (k % 2)) & 3;
    };
    const bool two = p.code_bytes == 256;
    uint32_t code = two ? two_bits(codes)
                        : Word(codes + 16 * lane + 8 * (block % 2) + 4 * (row / 8)) >>
                                  (4 * (k / 2 + 4 * (k % 2))) &
                              15;
    if (p.high_bytes == 128) {
      code |= (Word(high + 4 * lane) >> (8 * (row / 8) + pair + 16 * (k % 2)) & 1) << (two ? 2 : 4);
    } else if (p.high_bytes == 256) {
      code |= two_bits(high) << 4;
    }
    return code;
  }
  const std::byte* Scales(uint32_t block) const {
    return Record(block) + p.scales() + Strip(block) * p.scale_bytes;
  }
  double Scale16(uint32_t block, uint32_t halves, uint32_t which) const {
    return F16ToF32(LoadHalf(Scales(block) + (row % 8) * 8 * halves +
                             (2 * (block % 2) + row / 8) * 2 * halves + 2 * which));
  }
  static uint32_t Byte(const std::byte* from, uint32_t at) {
    return static_cast<uint32_t>(from[at]);
  }
  double Scale8(uint32_t block, uint32_t which) const {
    return Byte(Scales(block), (row % 8) * 8 + 4 * (block % 2) + 2 * (row / 8) + which);
  }
  uint32_t ByteOfHalf(uint32_t block, uint32_t half) const {
    return Byte(Scales(block), ((row % 8) * 2 + half) * 4 + 2 * (block % 2) + row / 8);
  }
  double Scale8Half(uint32_t block, uint32_t half) const {
    return static_cast<double>(ByteOfHalf(block, half)) - 128;
  }
  double Scale8One(uint32_t block) const {
    return static_cast<double>(Byte(Scales(block), (row % 8) * 4 + 2 * (block % 2) + row / 8)) -
           128;
  }
  double Header(uint32_t block, uint32_t halves, uint32_t which) const {
    return F16ToF32(LoadHalf(Record(block) + p.header() + (row % 8) * 4 * halves +
                             (row / 8) * 2 * halves + 2 * which));
  }
};

double Symmetric(const Reader& r, uint32_t block, uint32_t col, int offset) {
  return Half((static_cast<int>(r.Code(block, col)) - offset) * r.Scale16(block, 1, 0));
}
double Affine(const Reader& r, uint32_t block, uint32_t col) {
  return Half(r.Code(block, col) * r.Scale16(block, 2, 0) + r.Scale16(block, 2, 1));
}
double Symmetric16(const Reader& r, uint32_t block, uint32_t col, int offset) {
  const double s = Half(r.Header(block, 1, 0) * r.Scale8Half(block, col / 16));
  return Half((static_cast<int>(r.Code(block, col)) - offset) * s);
}
double Affine16(const Reader& r, uint32_t block, uint32_t col) {
  const uint32_t byte = r.ByteOfHalf(block, col / 16);
  const double s = Half(r.Header(block, 2, 0) * (byte & 15));
  const double m = Half(r.Header(block, 2, 1) * (byte >> 4));
  return Half(r.Code(block, col) * s + m);
}
double AffineK(const Reader& r, uint32_t block, uint32_t col) {
  const double s = Half(r.Header(block, 2, 0) * r.Scale8(block, 0));
  const double m = Half(r.Header(block, 2, 1) * r.Scale8(block, 1));
  return Half(r.Code(block, col) * s + m);
}

// The kernels see 2^-8 of an 8-bit float, and a scale that makes up for it.
double Float8(const Reader& r, uint32_t block, uint32_t col, double scale) {
  return Half(fp8::Value(static_cast<uint8_t>(r.Code(block, col))) * 0x1p-8 * scale);
}

double Value(FormatId format, const Reader& r, uint32_t block, uint32_t col) {
  switch (format) {
    case FormatId::kQ8_0: return Symmetric(r, block, col, 128);
    case FormatId::kQ4_0: return Symmetric(r, block, col, 8);
    case FormatId::kQ5_0: return Symmetric(r, block, col, 16);
    case FormatId::kQ4_1:
    case FormatId::kQ5_1: return Affine(r, block, col);
    case FormatId::kQ2_K: return Affine16(r, block, col);
    case FormatId::kQ3_K: return Symmetric16(r, block, col, 4);
    case FormatId::kQ6_K: return Symmetric16(r, block, col, 32);
    case FormatId::kIQ4_NL:
      return Half(gguf::kIq4Values[r.Code(block, col)] * r.Scale16(block, 1, 0));
    case FormatId::kMXFP4:
      return Half(gguf::kMxfp4Values[r.Code(block, col)] * r.Scale16(block, 1, 0));
    case FormatId::kIQ4_XS:
      return Half(gguf::kIq4Values[r.Code(block, col)] *
                  Half(r.Header(block, 1, 0) * r.Scale8One(block)));
    case FormatId::kInt4G32:
      return Half((r.Code(block, col) + r.Scale16(block, 2, 1)) * r.Scale16(block, 2, 0));
    case FormatId::kInt4G128:
      return Half((r.Code(block, col) + r.Header(block, 2, 1)) * r.Header(block, 2, 0));
    case FormatId::kFp8G32: return Float8(r, block, col, r.Scale16(block, 1, 0));
    case FormatId::kFp8G128: return Float8(r, block, col, r.Header(block, 1, 0));
    default: return AffineK(r, block, col);
  }
}

}  // namespace

FragmentLayout FragmentsOf(FormatId format) {
  const FragmentParts parts = FragmentPartsOf(format);
  return {parts.strips, parts.record(), format == FormatId::kF16 ? 1.0F : 1.0F / (1 << kScaleBits)};
}

uint32_t FragmentMatrix::strips() const {
  return RoundUp(CeilDiv(cols, kStripCols), FragmentsOf(format).record_strips);
}
uint64_t FragmentMatrix::tile_bytes() const {
  const FragmentLayout l = FragmentsOf(format);
  return uint64_t{strips()} / l.record_strips * l.record_bytes;
}

void ReadFragments(const FragmentMatrix& m, const std::byte* tile, uint32_t row, float* out) {
  const float alpha = FragmentsOf(m.format).alpha;
  const Reader reader = {FragmentPartsOf(m.format), tile, row};
  for (uint32_t c = 0; c < m.cols; ++c) {
    if (HoldsHalves(m.format)) {
      out[c] = alpha * F16ToF32(LoadHalf(tile + (uint64_t{row} * m.strips() * kStripCols + c) * 2));
    } else {
      out[c] = alpha * static_cast<float>(Value(m.format, reader, c / 32, c % 32));
    }
  }
}

}  // namespace wring
