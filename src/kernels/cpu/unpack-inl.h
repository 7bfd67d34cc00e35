// Per-target: packed GGUF tiles as vectors. For each packed type: Codes(tile, part, g), the unsigned
// codes of column group g for the rows of `part`; Scale and Min as float vectors.
#include "quant/fp8/blocks.h"
#include "quant/gguf/blocks.h"
#include "quant/int4/blocks.h"

#if defined(WRING_KERNELS_CPU_UNPACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WRING_KERNELS_CPU_UNPACK_INL_H_
#undef WRING_KERNELS_CPU_UNPACK_INL_H_
#else
#define WRING_KERNELS_CPU_UNPACK_INL_H_
#endif

#include "kernels/cpu/simd-inl.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

constexpr int kPartBytes = 4 * kLanes;

HWY_INLINE VU8 LoadBytes(const uint8_t (*plane)[16][4], int v, int part) {
  return hn::LoadU(DU8(), &plane[v][0][0] + part * kPartBytes);
}

// Word shifts move bits across bytes; the mask that follows removes them.
template <int kRight>
HWY_INLINE VU8 Shifted(VU8 v) {
  const hn::RebindToUnsigned<DI> d32;
  const auto w = hn::BitCast(d32, v);
  if constexpr (kRight > 0) return hn::BitCast(DU8(), hn::ShiftRight<kRight>(w));
  if constexpr (kRight < 0) return hn::BitCast(DU8(), hn::ShiftLeft<-kRight>(w));
  return v;
}

HWY_INLINE VU8 Q4Codes(const uint8_t (*q4)[16][4], int part, int g) {
  const VU8 mask = hn::Set(DU8(), 0x0f);
  const VU8 v = LoadBytes(q4, g & 3, part);
  return hn::And(g < 4 ? v : Shifted<4>(v), mask);
}
HWY_INLINE VU8 H1Bits(const uint8_t (*h1)[4], int part, int g) {
  const VU8 v = hn::LoadU(DU8(), &h1[0][0] + part * kPartBytes);
  const VU8 mask = hn::Set(DU8(), 0x10);
  switch (g) {
    case 0: return hn::And(Shifted<-4>(v), mask);
    case 1: return hn::And(Shifted<-3>(v), mask);
    case 2: return hn::And(Shifted<-2>(v), mask);
    case 3: return hn::And(Shifted<-1>(v), mask);
    case 4: return hn::And(v, mask);
    case 5: return hn::And(Shifted<1>(v), mask);
    case 6: return hn::And(Shifted<2>(v), mask);
    default: return hn::And(Shifted<3>(v), mask);
  }
}
HWY_INLINE VU8 H2Bits(const uint8_t (*h2)[16][4], int part, int g) {
  const VU8 v = LoadBytes(h2, g >> 2, part);
  const VU8 mask = hn::Set(DU8(), 0x30);
  switch (g & 3) {
    case 0: return hn::And(Shifted<-4>(v), mask);
    case 1: return hn::And(Shifted<-2>(v), mask);
    case 2: return hn::And(v, mask);
    default: return hn::And(Shifted<2>(v), mask);
  }
}

HWY_INLINE VU8 Q2Codes(const uint8_t (*q2)[16][4], int part, int g) {
  const VU8 v = LoadBytes(q2, g >> 2, part);
  const VU8 mask = hn::Set(DU8(), 0x03);
  switch (g & 3) {
    case 0: return hn::And(v, mask);
    case 1: return hn::And(Shifted<2>(v), mask);
    case 2: return hn::And(Shifted<4>(v), mask);
    default: return hn::And(Shifted<6>(v), mask);
  }
}
HWY_INLINE VU8 ThirdBits(const uint8_t (*h1)[4], int part, int g) {
  return hn::And(Shifted<2>(H1Bits(h1, part, g)), hn::Set(DU8(), 0x04));
}
// The 16 values of a table, by 4-bit codes.
HWY_INLINE VU8 Looked(const uint8_t* table, VU8 codes) {
  return hn::TableLookupBytes(hn::LoadDup128(DU8(), table), codes);
}

// What the int8 kernels know of a type: w = scale * (code - kOffset) + min, a scale (and min) every kSegment
// columns; the block struct and how many tiles of 32 columns it holds.
struct Q8_0 {
  using Packed = gguf::PackedQ8_0;
  static constexpr int kBits = 8, kOffset = 128, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return LoadBytes(b.q8, g, part);
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};
struct Q4_0 {
  using Packed = gguf::PackedQ4_0;
  static constexpr int kBits = 4, kOffset = 8, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return Q4Codes(b.q4, part, g);
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};
struct Q4_1 {
  using Packed = gguf::PackedQ4_1;
  static constexpr int kBits = 4, kOffset = 0, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return Q4Codes(b.q4, part, g);
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed& b, int, int part, int) {
    return LoadF16(b.m + part * kLanes);
  }
};
struct Q5_0 {
  using Packed = gguf::PackedQ5_0;
  static constexpr int kBits = 5, kOffset = 16, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return hn::Or(Q4Codes(b.q4, part, g), H1Bits(b.h1, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};

struct Q5_1 {
  using Packed = gguf::PackedQ5_1;
  static constexpr int kBits = 5, kOffset = 0, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return hn::Or(Q4Codes(b.q4, part, g), H1Bits(b.h1, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed& b, int, int part, int) {
    return LoadF16(b.m + part * kLanes);
  }
};
// The table types: a code stands for its value plus kOffset, so that it is unsigned.
alignas(16) constexpr uint8_t kIq4Codes[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                               129, 141, 153, 166, 181, 197, 217, 241};
alignas(16) constexpr uint8_t kMxfp4Codes[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                                 12, 11, 10, 9,  8,  6,  4,  0};
struct IQ4_NL {
  using Packed = gguf::PackedIQ4_NL;
  static constexpr int kBits = 8, kOffset = 128, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return Looked(kIq4Codes, Q4Codes(b.q4, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return LoadF16(b.d + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};
struct IQ4_XS {
  using Packed = gguf::PackedIQ4_XS;
  static constexpr int kBits = 8, kOffset = 128, kSegment = 32, kTiles = 8;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return Looked(kIq4Codes, Q4Codes(b.tile[t].q4, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int) {
    return hn::Mul(LoadF16(b.d + part * kLanes), LoadI8(b.tile[t].scale + part * kLanes));
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};
struct MXFP4 {
  using Packed = gguf::PackedMXFP4;
  static constexpr int kBits = 5, kOffset = 12, kSegment = 32, kTiles = 1;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int, int part, int g) {
    return Looked(kMxfp4Codes, Q4Codes(b.q4, part, g));
  }
  // 2^(e - 128): the exponent field is e - 1; the two smallest are subnormal.
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    const DI di;
    const hn::Rebind<uint8_t, DI> d8;
    const VI e = hn::PromoteTo(di, hn::LoadU(d8, b.e + part * kLanes));
    const VI normal = hn::ShiftLeft<23>(hn::Sub(e, hn::Set(di, 1)));
    const VI tiny =
        hn::IfThenElse(hn::Eq(e, hn::Zero(di)), hn::Set(di, 0x00200000), hn::Set(di, 0x00400000));
    return hn::BitCast(DF(), hn::IfThenElse(hn::Lt(e, hn::Set(di, 2)), tiny, normal));
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};

template <uint32_t kGroup>
struct Int4 {
  using Packed = int4::Packed<kGroup>;
  static constexpr int kBits = 4, kOffset = 0, kSegment = 32, kTiles = kGroup / 32;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return Q4Codes(b.tile[t].q4, part, g);
  }
  static HWY_INLINE VF Scale(const Packed& b, int, int part, int) {
    return hn::LoadU(DF(), b.scale + part * kLanes);
  }
  static HWY_INLINE VF Min(const Packed& b, int t, int part, int seg) {
    return hn::Neg(hn::Mul(Scale(b, t, part, seg), LoadU8(b.zero + part * kLanes)));
  }
};

template <class P>
HWY_INLINE VF KScale(const P& b, int t, int part) {
  return hn::Mul(LoadF16(b.d + part * kLanes), LoadU8(b.tile[t].scale + part * kLanes));
}
template <class P>
HWY_INLINE VF KMin(const P& b, int t, int part) {
  return hn::Mul(LoadF16(b.neg_dmin + part * kLanes), LoadU8(b.tile[t].min + part * kLanes));
}
struct Q2_K {
  using Packed = gguf::PackedQ2_K;
  static constexpr int kBits = 2, kOffset = 0, kSegment = 16, kTiles = 8;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return Q2Codes(b.tile[t].q2, part, g);
  }
  static HWY_INLINE VI Both(const Packed& b, int t, int part, int seg) {
    const hn::Rebind<uint8_t, DI> d8;
    return hn::PromoteTo(DI(), hn::LoadU(d8, b.tile[t].scale_min[seg] + part * kLanes));
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int seg) {
    const VI scale = hn::And(Both(b, t, part, seg), hn::Set(DI(), 15));
    return hn::Mul(LoadF16(b.d + part * kLanes), hn::ConvertTo(DF(), scale));
  }
  static HWY_INLINE VF Min(const Packed& b, int t, int part, int seg) {
    const VI min = hn::ShiftRight<4>(Both(b, t, part, seg));
    return hn::Mul(LoadF16(b.neg_dmin + part * kLanes), hn::ConvertTo(DF(), min));
  }
};
struct Q3_K {
  using Packed = gguf::PackedQ3_K;
  static constexpr int kBits = 3, kOffset = 4, kSegment = 16, kTiles = 8;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return hn::Or(Q2Codes(b.tile[t].q2, part, g), ThirdBits(b.tile[t].h1, part, g));
  }
  // 6 bits in two bytes, see gguf::ScaleQ3.
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int seg) {
    const DI di;
    const hn::Rebind<uint8_t, DI> d8;
    const int i = 2 * t + seg;
    const auto byte = [&](int row) HWY_ATTR {
      return hn::PromoteTo(di, hn::LoadU(d8, b.scales[row] + part * kLanes));
    };
    const VI low = hn::And(hn::ShiftRightSame(byte(i % 8), i / 8 * 4), hn::Set(di, 15));
    const VI high = hn::And(hn::ShiftRightSame(byte(8 + i % 4), i / 4 * 2), hn::Set(di, 3));
    const VI scale = hn::Sub(hn::Or(low, hn::ShiftLeft<4>(high)), hn::Set(di, 32));
    return hn::Mul(LoadF16(b.d + part * kLanes), hn::ConvertTo(DF(), scale));
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};
struct Q4_K {
  using Packed = gguf::PackedQ4_K;
  static constexpr int kBits = 4, kOffset = 0, kSegment = 32, kTiles = 8;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return Q4Codes(b.tile[t].q4, part, g);
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int) { return KScale(b, t, part); }
  static HWY_INLINE VF Min(const Packed& b, int t, int part, int) { return KMin(b, t, part); }
};
struct Q5_K {
  using Packed = gguf::PackedQ5_K;
  static constexpr int kBits = 5, kOffset = 0, kSegment = 32, kTiles = 8;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return hn::Or(Q4Codes(b.tile[t].q4, part, g), H1Bits(b.tile[t].h1, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int) { return KScale(b, t, part); }
  static HWY_INLINE VF Min(const Packed& b, int t, int part, int) { return KMin(b, t, part); }
};
struct Q6_K {
  using Packed = gguf::PackedQ6_K;
  static constexpr int kBits = 6, kOffset = 32, kSegment = 16, kTiles = 8;
  static constexpr bool kMin = false;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return hn::Or(Q4Codes(b.tile[t].q4, part, g), H2Bits(b.tile[t].h2, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int seg) {
    return hn::Mul(LoadF16(b.d + part * kLanes), LoadI8(b.tile[t].scale[seg] + part * kLanes));
  }
  static HWY_INLINE VF Min(const Packed&, int, int, int) { return hn::Zero(DF()); }
};

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
