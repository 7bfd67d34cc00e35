// A lane's weights out of fragments (quant/fragments/fragments.h has the layout and the roundings): Read() takes what
// stands in memory for one strip, Dequant() makes float16 of one of its two blocks. FillChunk() copies consecutive strips
// into shared memory without waiting, ReadChunk() takes a strip from there.
#pragma once

#include "kernels/cuda/mma.cuh"
#include "quant/fragments/parts.h"

namespace wring::cuda {

// a[r][p]: row g + 8 r, columns 8 t + 2 p and 8 t + 2 p + 1 of the block.
struct BlockWeights {
  uint32_t a[2][4];
};

template <FormatId kFormat>
struct Fragments;

// Weights in device memory, which is read once, and in shared memory, by address.
struct FromGlobal {
  using Pointer = const uint8_t*;
  __device__ static __forceinline__ uint4 Word4(Pointer p) { return LoadStream(p); }
  __device__ static __forceinline__ uint2 Word2(Pointer p) {
    return __ldg(reinterpret_cast<const uint2*>(p));
  }
  __device__ static __forceinline__ uint32_t Word(Pointer p) {
    return __ldg(reinterpret_cast<const uint32_t*>(p));
  }
};
struct FromShared {
  using Pointer = uint32_t;
  __device__ static __forceinline__ uint4 Word4(Pointer p) { return LoadShared(p); }
  __device__ static __forceinline__ uint2 Word2(Pointer p) { return LoadShared2(p); }
  __device__ static __forceinline__ uint32_t Word(Pointer p) {
    uint32_t v;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(p));
    return v;
  }
};

namespace detail {

// What the packed formats share: records that follow each other, so that a chunk of strips is contiguous.
template <typename Format, FormatId kFormat>
struct Packed {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  static constexpr uint32_t kChunkStrips = kParts.strips == 1 ? 2 : kParts.strips;
  static constexpr uint32_t kChunkBytes = kChunkStrips / kParts.strips * kParts.record();
  static_assert(kParts.record() % 16 == 0);

  // A warp; count: strips that there are of the chunk.
  __device__ static __forceinline__ void FillChunk(uint8_t* to, const uint8_t* tile, uint32_t strip,
                                                   uint32_t count, uint32_t lane,
                                                   uint32_t /*strips*/) {
    const uint8_t* from = tile + strip / kParts.strips * kParts.record();
    const uint32_t bytes = count / kParts.strips * kParts.record();
#pragma unroll
    for (uint32_t at = 0; at < kChunkBytes; at += 512) {
      if (at + 16 * lane < bytes) CopyAsync16(to + at + 16 * lane, from + at + 16 * lane);
    }
  }
  __device__ static __forceinline__ auto ReadChunk(uint32_t chunk, uint32_t i, uint32_t lane) {
    return Format::template Read<FromShared>(chunk + i / kParts.strips * kParts.record(),
                                             i % kParts.strips, lane);
  }
  __device__ static __forceinline__ auto Load(const uint8_t* tile, uint32_t strip, uint32_t lane,
                                              uint32_t /*strips*/) {
    return Format::template Read<FromGlobal>(tile + strip / kParts.strips * kParts.record(),
                                             strip % kParts.strips, lane);
  }
};

__device__ __forceinline__ uint32_t Magic() { return 0x64006400; }

// The eight 4-bit codes of a word, as exact float16 minus kOffset; `high` adds bits 4 and 5 (at 4 / 20 for even pairs,
// 8 / 24 for odd ones). 0x6400 | code is 1024 + code; a nibble four bits up counts 16-fold.
template <int kOffset, bool kHigh>
__device__ __forceinline__ void Codes4(uint32_t w, const uint32_t (&high)[4], uint32_t (&q)[4]) {
  constexpr uint32_t kSixteenth = 0x2c002c00;
  const uint32_t magic = Magic();
  const uint32_t up = w >> 8;
  const auto set = [&](int p) { return kHigh ? magic | high[p] : magic; };
  q[0] = Sub2(MaskOr(w, 0x000f000f, set(0)), Half2Of(1024 + kOffset));
  q[1] = Fma2(MaskOr(w, 0x00f000f0, set(1)), kSixteenth, Half2Of(-(64 + kOffset)));
  q[2] = Sub2(MaskOr(up, 0x000f000f, set(2)), Half2Of(1024 + kOffset));
  q[3] = Fma2(MaskOr(up, 0x00f000f0, set(3)), kSixteenth, Half2Of(-(64 + kOffset)));
}

__device__ __forceinline__ uint32_t Shifted(uint32_t w, int to) {
  return to >= 0 ? w << to : w >> -to;
}
// The 5th bits of row r, block b.
__device__ __forceinline__ void High1(uint32_t w, int r, int b, uint32_t (&high)[4]) {
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    const int target = p % 2 == 0 ? 4 : 8;
    high[p] = Shifted(w, target - (8 * r + 4 * b + p)) & (0x00010001U << target);
  }
}
// The 5th and 6th bits of block b, of the row's word.
__device__ __forceinline__ void High2(uint32_t w, int b, uint32_t (&high)[4]) {
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    const int target = p % 2 == 0 ? 4 : 8;
    high[p] = Shifted(w, target - 2 * (4 * b + p)) & (0x00030003U << target);
  }
}

// The word of 4-bit codes of block b, row g + 8 r.
__device__ __forceinline__ uint32_t WordOf(const uint4& codes, int b, int r) {
  return b == 0 ? (r == 0 ? codes.x : codes.y) : (r == 0 ? codes.z : codes.w);
}

// float16 d (and m) a row and block of 32.
template <FormatId kFormat, int kOffset>
struct Blocks32 : Packed<Blocks32<kFormat, kOffset>, kFormat> {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  static constexpr bool kFive = kParts.high_bytes != 0;
  static constexpr bool kMin = kParts.scale_bytes == 128;
  struct Raw {
    uint4 codes;
    uint32_t high;
    uint4 scales;  // without min: x, y
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t /*s*/,
                                             uint32_t lane) {
    Raw raw;
    raw.codes = From::Word4(at + 16 * lane);
    raw.high = 0;
    if constexpr (kFive) raw.high = From::Word(at + kParts.highs() + 4 * lane);
    const auto scales = at + kParts.scales() + lane / 4 * (kParts.scale_bytes / 8);
    if constexpr (kMin) {
      raw.scales = From::Word4(scales);
    } else {
      const uint2 s = From::Word2(scales);
      raw.scales = {s.x, s.y, 0, 0};
    }
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    BlockWeights w;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t high[4] = {0, 0, 0, 0};
      if constexpr (kFive) High1(raw.high, r, b, high);
      uint32_t q[4];
      Codes4<kOffset, kFive>(WordOf(raw.codes, b, r), high, q);
      if constexpr (kMin) {
        const uint32_t both = b == 0 ? (r == 0 ? raw.scales.x : raw.scales.y)
                                     : (r == 0 ? raw.scales.z : raw.scales.w);
        const uint32_t d = Splat(both, 0);
        const uint32_t m = Splat(both, 1);
#pragma unroll
        for (int p = 0; p < 4; ++p) w.a[r][p] = Fma2(q[p], d, m);
      } else {
        const uint32_t d = Splat(b == 0 ? raw.scales.x : raw.scales.y, r);
#pragma unroll
        for (int p = 0; p < 4; ++p) w.a[r][p] = Mul2(q[p], d);
      }
    }
    return w;
  }
};

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
    BlockWeights w;
    const uint32_t bytes = b == 0 ? raw.scales.x : raw.scales.y;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t high[4] = {0, 0, 0, 0};
      if constexpr (kFive) High1(raw.high, r, b, high);
      uint32_t q[4];
      Codes4<0, kFive>(WordOf(raw.codes, b, r), high, q);
      // (scale, min) as float16, times (d, -dmin).
      const uint32_t small =
          Sub2(__byte_perm(bytes, 0x64646464, r == 0 ? 0x4140 : 0x4342), Half2Of(1024));
      const uint32_t both = Mul2(small, r == 0 ? raw.head.x : raw.head.y);
      const uint32_t d = Splat(both, 0);
      const uint32_t m = Splat(both, 1);
#pragma unroll
      for (int p = 0; p < 4; ++p) w.a[r][p] = Fma2(q[p], d, m);
    }
    return w;
  }
};

}  // namespace detail

template <>
struct Fragments<FormatId::kQ4_0> : detail::Blocks32<FormatId::kQ4_0, 8> {};
template <>
struct Fragments<FormatId::kQ4_1> : detail::Blocks32<FormatId::kQ4_1, 0> {};
template <>
struct Fragments<FormatId::kQ5_0> : detail::Blocks32<FormatId::kQ5_0, 16> {};
template <>
struct Fragments<FormatId::kQ5_1> : detail::Blocks32<FormatId::kQ5_1, 0> {};
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
    BlockWeights w;
    // Scales of rows g and g + 8, times their d.
    const uint32_t small =
        Sub2(__byte_perm(raw.scales, 0x64646464, b == 0 ? 0x4140 : 0x4342), Half2Of(1024 + 128));
    const uint32_t both = Mul2(small, raw.head);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t high[4];
      detail::High2(r == 0 ? raw.high.x : raw.high.y, b, high);
      uint32_t q[4];
      detail::Codes4<32, true>(detail::WordOf(raw.codes, b, r), high, q);
      const uint32_t d = Splat(both, r);
#pragma unroll
      for (int p = 0; p < 4; ++p) w.a[r][p] = Mul2(q[p], d);
    }
    return w;
  }
};

template <>
struct Fragments<FormatId::kQ8_0> : detail::Packed<Fragments<FormatId::kQ8_0>, FormatId::kQ8_0> {
  static constexpr FragmentParts kParts = FragmentPartsOf(FormatId::kQ8_0);
  struct Raw {
    uint4 codes[2];
    uint2 scales;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t /*s*/,
                                             uint32_t lane) {
    Raw raw;
    raw.codes[0] = From::Word4(at + 16 * lane);
    raw.codes[1] = From::Word4(at + 512 + 16 * lane);
    raw.scales = From::Word2(at + kParts.scales() + 8 * (lane / 4));
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    BlockWeights w;
    const uint4 codes = raw.codes[b];
    const uint32_t scales = b == 0 ? raw.scales.x : raw.scales.y;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t words[2] = {r == 0 ? codes.x : codes.z, r == 0 ? codes.y : codes.w};
      const uint32_t d = Splat(scales, r);
#pragma unroll
      for (int p = 0; p < 4; ++p) {
        const uint32_t q = Sub2(__byte_perm(words[p / 2], 0x64646464, p % 2 == 0 ? 0x4140 : 0x4342),
                                Half2Of(1024 + 128));
        w.a[r][p] = Mul2(q, d);
      }
    }
    return w;
  }
};

// float16, row-major: strips of 128 bytes a row. In shared memory a lane finds what it copied itself.
template <>
struct Fragments<FormatId::kF16> {
  static constexpr uint32_t kChunkStrips = 1;
  static constexpr uint32_t kChunkBytes = 2048;
  struct Raw {
    uint4 v[2][2];  // [block][row]
  };
  __device__ static __forceinline__ void FillChunk(uint8_t* to, const uint8_t* tile, uint32_t strip,
                                                   uint32_t /*count*/, uint32_t lane,
                                                   uint32_t strips) {
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const uint8_t* from =
          tile + ((lane / 4 + 8 * (i % 2)) * strips + strip) * 128 + 64 * (i / 2) + 16 * (lane % 4);
      CopyAsync16(to + 512 * i + 16 * lane, from);
    }
  }
  __device__ static __forceinline__ Raw ReadChunk(uint32_t chunk, uint32_t /*i*/, uint32_t lane) {
    Raw raw;
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) raw.v[i / 2][i % 2] = LoadShared(chunk + 512 * i + 16 * lane);
    return raw;
  }
  __device__ static __forceinline__ Raw Load(const uint8_t* tile, uint32_t strip, uint32_t lane,
                                             uint32_t strips) {
    Raw raw;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint8_t* at = tile + ((lane / 4 + 8 * r) * strips + strip) * 128 + 16 * (lane % 4);
      raw.v[0][r] = LoadStream(at);
      raw.v[1][r] = LoadStream(at + 64);
    }
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    BlockWeights w;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      w.a[r][0] = raw.v[b][r].x;
      w.a[r][1] = raw.v[b][r].y;
      w.a[r][2] = raw.v[b][r].z;
      w.a[r][3] = raw.v[b][r].w;
    }
    return w;
  }
};

}  // namespace wring::cuda
