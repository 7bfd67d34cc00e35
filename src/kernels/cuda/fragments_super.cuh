// Fragments of formats with super-blocks of 256 columns.
#pragma once

#include "kernels/cuda/fragment_codes.cuh"

namespace wring::cuda {

namespace detail {

// Scales of rows g and g + 8 for block b, bytes of scale + 128, times their d.
__device__ __forceinline__ uint32_t ScalesOfRows(uint32_t scales, uint32_t head, int b) {
  return Mul2(Sub2(__byte_perm(scales, 0x64646464, b == 0 ? 0x4140 : 0x4342), Half2Of(1024 + 128)),
              head);
}

// Q4_K and Q5_K: a byte each for scale and min of a block, d and -dmin of 256 columns.
template <FormatId kFormat>
struct AffineK : Packed<AffineK<kFormat>, kFormat> {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  static constexpr bool kFive = kParts.high_bytes != 0;
  struct Raw {
    uint4 codes;
    uint32_t high;
    uint2 scales;
    uint2 head;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    Raw raw;
    raw.codes = From::Word4(at + 512 * s + 16 * lane);
    raw.high = 0;
    if constexpr (kFive) raw.high = From::Word(at + kParts.highs() + 128 * s + 4 * lane);
    const uint32_t g = lane / 4;
    raw.scales = From::Word2(at + kParts.scales() + 64 * s + 8 * g);
    raw.head = From::Word2(at + kParts.header() + 8 * g);
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    const uint32_t bytes = b == 0 ? raw.scales.x : raw.scales.y;
    // (scale, min) as float16, times (d, -dmin).
    const auto scale = [&](int r) {
      const uint32_t small =
          Sub2(__byte_perm(bytes, 0x64646464, r == 0 ? 0x4140 : 0x4342), Half2Of(1024));
      return Mul2(small, r == 0 ? raw.head.x : raw.head.y);
    };
    return Affine(scale, [&](int r, uint32_t(&q)[4]) {
      uint32_t high[4] = {0, 0, 0, 0};
      if constexpr (kFive) High1(raw.high, r, b, high);
      Codes4<0, kFive>(WordOf(raw.codes, b, r), high, q);
    });
  }
};

}  // namespace detail

template <>
struct Fragments<FormatId::kQ4_K> : detail::AffineK<FormatId::kQ4_K> {};
template <>
struct Fragments<FormatId::kQ5_K> : detail::AffineK<FormatId::kQ5_K> {};

template <>
struct Fragments<FormatId::kQ6_K> : detail::Packed<Fragments<FormatId::kQ6_K>, FormatId::kQ6_K> {
  static constexpr FragmentParts kParts = FragmentPartsOf(FormatId::kQ6_K);
  struct Raw {
    uint4 codes;
    uint2 high;
    uint32_t scales;
    uint32_t head;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    const uint32_t g = lane / 4;
    Raw raw;
    raw.codes = From::Word4(at + 512 * s + 16 * lane);
    raw.high = From::Word2(at + kParts.highs() + 256 * s + 8 * lane);
    raw.scales = From::Word(at + kParts.scales() + 64 * s + 4 * (2 * g + lane % 4 / 2));
    raw.head = From::Word(at + kParts.header() + 4 * g);
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    const uint32_t scales = detail::ScalesOfRows(raw.scales, raw.head, b);
    return detail::Symmetric(scales, [&](int r, uint32_t(&q)[4]) {
      uint32_t high[4];
      detail::High2(r == 0 ? raw.high.x : raw.high.y, b, high);
      detail::Codes4<32, true>(detail::WordOf(raw.codes, b, r), high, q);
    });
  }
};

template <>
struct Fragments<FormatId::kIQ4_XS>
    : detail::Packed<Fragments<FormatId::kIQ4_XS>, FormatId::kIQ4_XS> {
  static constexpr FragmentParts kParts = FragmentPartsOf(FormatId::kIQ4_XS);
  struct Raw {
    uint4 codes;
    uint32_t scales;
    uint32_t head;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    const uint32_t g = lane / 4;
    return {From::Word4(at + 512 * s + 16 * lane),
            From::Word(at + kParts.scales() + 32 * s + 4 * g),
            From::Word(at + kParts.header() + 4 * g)};
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    constexpr detail::Table16 kTable = detail::TableOf(gguf::kIq4Values);
    const uint32_t scales = detail::ScalesOfRows(raw.scales, raw.head, b);
    return detail::Symmetric(scales, [&](int r, uint32_t(&q)[4]) {
      detail::Looked(detail::WordOf(raw.codes, b, r), kTable, q);
    });
  }
};

template <>
struct Fragments<FormatId::kQ2_K> : detail::Packed<Fragments<FormatId::kQ2_K>, FormatId::kQ2_K> {
  static constexpr FragmentParts kParts = FragmentPartsOf(FormatId::kQ2_K);
  struct Raw {
    uint2 codes;
    uint32_t scales;
    uint2 head;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    const uint32_t g = lane / 4;
    return {From::Word2(at + 256 * s + 8 * lane),
            From::Word(at + kParts.scales() + 64 * s + 4 * (2 * g + lane % 4 / 2)),
            From::Word2(at + kParts.header() + 8 * g)};
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    // (scale, min) as float16, times (d, -dmin).
    const auto scale = [&](int r) {
      const uint32_t byte = raw.scales >> (8 * (2 * b + r)) & 0xff;
      const uint32_t small =
          Sub2(MaskOr(byte | byte << 12, 0x000f000f, detail::Magic()), Half2Of(1024));
      return Mul2(small, r == 0 ? raw.head.x : raw.head.y);
    };
    return detail::Affine(scale, [&](int r, uint32_t(&q)[4]) {
      const uint32_t none[4] = {0, 0, 0, 0};
      detail::Codes2<0>(r == 0 ? raw.codes.x : raw.codes.y, b, none, q);
    });
  }
};

template <>
struct Fragments<FormatId::kQ3_K> : detail::Packed<Fragments<FormatId::kQ3_K>, FormatId::kQ3_K> {
  static constexpr FragmentParts kParts = FragmentPartsOf(FormatId::kQ3_K);
  struct Raw {
    uint2 codes;
    uint32_t high;
    uint32_t scales;
    uint32_t head;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    const uint32_t g = lane / 4;
    return {From::Word2(at + 256 * s + 8 * lane),
            From::Word(at + kParts.highs() + 128 * s + 4 * lane),
            From::Word(at + kParts.scales() + 64 * s + 4 * (2 * g + lane % 4 / 2)),
            From::Word(at + kParts.header() + 4 * g)};
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    const uint32_t scales = detail::ScalesOfRows(raw.scales, raw.head, b);
    return detail::Symmetric(scales, [&](int r, uint32_t(&q)[4]) {
      uint32_t high[4];
      detail::High1Third(raw.high, r, b, high);
      detail::Codes2<4>(r == 0 ? raw.codes.x : raw.codes.y, b, high, q);
    });
  }
};

}  // namespace wring::cuda
