// Per-target: packed GGUF tiles as vectors. For each packed type: Codes(tile, part, g), the unsigned
// codes of column group g for the rows of `part`; Scale and Min as float vectors.
#include "quant/gguf/blocks.h"

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

// What the int8 kernels know of a type: w = scale * (code - kOffset) + min, a scale every kSegment
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
  static HWY_INLINE VF Min(const Packed&, int, int) { return hn::Zero(DF()); }
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
  static HWY_INLINE VF Min(const Packed&, int, int) { return hn::Zero(DF()); }
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
  static HWY_INLINE VF Min(const Packed& b, int, int part) { return LoadF16(b.m + part * kLanes); }
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
  static HWY_INLINE VF Min(const Packed&, int, int) { return hn::Zero(DF()); }
};

template <class P>
HWY_INLINE VF KScale(const P& b, int t, int part) {
  return hn::Mul(LoadF16(b.d + part * kLanes), LoadU8(b.tile[t].scale + part * kLanes));
}
template <class P>
HWY_INLINE VF KMin(const P& b, int t, int part) {
  return hn::Mul(LoadF16(b.neg_dmin + part * kLanes), LoadU8(b.tile[t].min + part * kLanes));
}
struct Q4_K {
  using Packed = gguf::PackedQ4_K;
  static constexpr int kBits = 4, kOffset = 0, kSegment = 32, kTiles = 8;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return Q4Codes(b.tile[t].q4, part, g);
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int) { return KScale(b, t, part); }
  static HWY_INLINE VF Min(const Packed& b, int t, int part) { return KMin(b, t, part); }
};
struct Q5_K {
  using Packed = gguf::PackedQ5_K;
  static constexpr int kBits = 5, kOffset = 0, kSegment = 32, kTiles = 8;
  static constexpr bool kMin = true;
  static HWY_INLINE VU8 Codes(const Packed& b, int t, int part, int g) {
    return hn::Or(Q4Codes(b.tile[t].q4, part, g), H1Bits(b.tile[t].h1, part, g));
  }
  static HWY_INLINE VF Scale(const Packed& b, int t, int part, int) { return KScale(b, t, part); }
  static HWY_INLINE VF Min(const Packed& b, int t, int part) { return KMin(b, t, part); }
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
  static HWY_INLINE VF Min(const Packed&, int, int) { return hn::Zero(DF()); }
};

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
