// A lane's weights out of fragments (quant/fragments/fragments.h has the layout and the roundings): Read() takes what
// stands in memory for one strip, Dequant() makes float16 of one of its two blocks. FillChunk() copies consecutive strips
// into shared memory without waiting, ReadChunk() takes a strip from there.
#pragma once

#include "kernels/cuda/fragment_codes.cuh"
#include "kernels/cuda/fragments_super.cuh"

namespace wring::cuda {

namespace detail {

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
    const auto codes = [&](int r, uint32_t(&q)[4]) {
      uint32_t high[4] = {0, 0, 0, 0};
      if constexpr (kFive) High1(raw.high, r, b, high);
      Codes4<kOffset, kFive>(WordOf(raw.codes, b, r), high, q);
    };
    if constexpr (kMin) {
      return Affine([&](int r) { return WordOf(raw.scales, b, r); }, codes);
    } else {
      return Symmetric(b == 0 ? raw.scales.x : raw.scales.y, codes);
    }
  }
};

// A table of 16 values, float16 d a row and block of 32.
template <FormatId kFormat>
struct Table : Packed<Table<kFormat>, kFormat> {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  struct Raw {
    uint4 codes;
    uint2 scales;
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t /*s*/,
                                             uint32_t lane) {
    return {From::Word4(at + 16 * lane), From::Word2(at + kParts.scales() + 8 * (lane / 4))};
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    constexpr Table16 kTable =
        TableOf(kFormat == FormatId::kMXFP4 ? gguf::kMxfp4Values : gguf::kIq4Values);
    return Symmetric(b == 0 ? raw.scales.x : raw.scales.y,
                     [&](int r, uint32_t(&q)[4]) { Looked(WordOf(raw.codes, b, r), kTable, q); });
  }
};

// 4-bit integers with a scale and a zero point a group of 32 or 128 columns.
template <FormatId kFormat>
struct Int4 : Packed<Int4<kFormat>, kFormat> {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  struct Raw {
    uint4 codes;
    uint4 scales;  // (scale, -zero) of block 0 row g, row g + 8, block 1 row g, row g + 8
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    Raw raw;
    raw.codes = From::Word4(at + 512 * s + 16 * lane);
    if constexpr (kParts.header_bytes != 0) {
      const uint2 of_rows = From::Word2(at + kParts.header() + 8 * (lane / 4));
      raw.scales = {of_rows.x, of_rows.y, of_rows.x, of_rows.y};
    } else {
      raw.scales = From::Word4(at + kParts.scales() + 16 * (lane / 4));
    }
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    BlockWeights w;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t none[4] = {0, 0, 0, 0};
      uint32_t q[4];
      Codes4<0, false>(WordOf(raw.codes, b, r), none, q);
      const uint32_t both = WordOf(raw.scales, b, r);
      const uint32_t d = Splat(both, 0);
      const uint32_t zero = Splat(both, 1);
#pragma unroll
      for (int p = 0; p < 4; ++p) w.a[r][p] = Mul2(Add2(q[p], zero), d);
    }
    return w;
  }
};

// 8-bit floats with a scale a group of 32 or 128 columns. Their seven bits below the sign, one bit below those of float16,
// are the value times 2^-8.
template <FormatId kFormat>
struct Float8 : Packed<Float8<kFormat>, kFormat> {
  static constexpr FragmentParts kParts = FragmentPartsOf(kFormat);
  struct Raw {
    uint4 codes[2];
    uint2 scales;  // block 0, block 1: rows g and g + 8
  };
  template <typename From>
  __device__ static __forceinline__ Raw Read(typename From::Pointer at, uint32_t s, uint32_t lane) {
    Raw raw;
    raw.codes[0] = From::Word4(at + 1024 * s + 16 * lane);
    raw.codes[1] = From::Word4(at + 1024 * s + 512 + 16 * lane);
    if constexpr (kParts.header_bytes != 0) {
      const uint32_t of_rows = From::Word(at + kParts.header() + 4 * (lane / 4));
      raw.scales = {of_rows, of_rows};
    } else {
      raw.scales = From::Word2(at + kParts.scales() + 8 * (lane / 4));
    }
    return raw;
  }
  __device__ static __forceinline__ BlockWeights Dequant(const Raw& raw, int b, uint32_t /*lane*/) {
    const uint4 codes = raw.codes[b];
    return Symmetric(b == 0 ? raw.scales.x : raw.scales.y, [&](int r, uint32_t(&q)[4]) {
      const uint32_t words[2] = {r == 0 ? codes.x : codes.z, r == 0 ? codes.y : codes.w};
#pragma unroll
      for (int p = 0; p < 4; ++p) {
        const uint32_t high = __byte_perm(words[p / 2], 0, p % 2 == 0 ? 0x1404 : 0x3424);
        q[p] = (high & 0x80008000) | (high >> 1 & 0x3f803f80);
      }
    });
  }
};

}  // namespace detail

template <>
struct Fragments<FormatId::kIQ4_NL> : detail::Table<FormatId::kIQ4_NL> {};
template <>
struct Fragments<FormatId::kMXFP4> : detail::Table<FormatId::kMXFP4> {};
template <>
struct Fragments<FormatId::kInt4G32> : detail::Int4<FormatId::kInt4G32> {};
template <>
struct Fragments<FormatId::kInt4G128> : detail::Int4<FormatId::kInt4G128> {};
template <>
struct Fragments<FormatId::kFp8G32> : detail::Float8<FormatId::kFp8G32> {};
template <>
struct Fragments<FormatId::kFp8G128> : detail::Float8<FormatId::kFp8G128> {};
template <>
struct Fragments<FormatId::kQ4_0> : detail::Blocks32<FormatId::kQ4_0, 8> {};
template <>
struct Fragments<FormatId::kQ4_1> : detail::Blocks32<FormatId::kQ4_1, 0> {};
template <>
struct Fragments<FormatId::kQ5_0> : detail::Blocks32<FormatId::kQ5_0, 16> {};
template <>
struct Fragments<FormatId::kQ5_1> : detail::Blocks32<FormatId::kQ5_1, 0> {};
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

// float16, row-major: strips of 128 bytes a row, which go to shared memory as they are, 16-byte piece c of row r at
// c ^ 4 (r & 1). A request is for whole lines of 128 bytes: halves of lines came at nine tenths of the rate.
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
      const uint32_t row = 4 * i + lane / 8;
      const uint32_t piece = lane % 8;
      CopyAsync16(to + Place(row, piece), tile + (row * strips + strip) * 128 + 16 * piece);
    }
  }
  __device__ static __forceinline__ Raw ReadChunk(uint32_t chunk, uint32_t /*i*/, uint32_t lane) {
    Raw raw;
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i)
      raw.v[i / 2][i % 2] =
          LoadShared(chunk + Place(lane / 4 + 8 * (i % 2), 4 * (i / 2) + lane % 4));
    return raw;
  }
  __device__ static __forceinline__ uint32_t Place(uint32_t row, uint32_t piece) {
    return row * 128 + (piece ^ ((row & 1) << 2)) * 16;
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
