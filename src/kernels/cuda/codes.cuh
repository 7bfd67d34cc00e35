// Weights as whole numbers: of a block of 32 columns, codes as signed bytes in the order of MmaBytes(), and what becomes of
// sums of codes times whole numbers: add(codes of block b, their sums with a row of activations' high and low bytes, the sum
// of that row), and at the end of a record the value of both rows of weights, in units of the row of activations.
//
// A byte of a word of codes is a column of the eight that a lane has: 0 4 1 5 and 2 6 3 7 for codes of 4 bits, whose nibbles
// those are.
#pragma once

#include "kernels/cuda/fragments.cuh"

namespace wring::cuda {

template <FormatId kFormat>
struct Codes {
  static constexpr bool kHas = false;
};

namespace detail {

__device__ __forceinline__ float LowHalf(uint32_t v) { return __low2float(AsHalf2(v)); }
__device__ __forceinline__ float HighHalf(uint32_t v) { return __high2float(AsHalf2(v)); }
// Byte `at` of a word.
template <int at>
__device__ __forceinline__ int32_t ByteOf(uint32_t v) {
  return static_cast<int32_t>(v >> (8 * at) & 0xff);
}
// Whole numbers of 256 columns: high and low bytes of activations.
__device__ __forceinline__ float Joined(int32_t high, int32_t low) {
  return __fmaf_rn(static_cast<float>(high), 256.F, static_cast<float>(low));
}

// Q4_K and Q5_K: scales and minima of 6 bits are whole numbers as well.
template <FormatId kFormat>
struct AffineCodes {
  static constexpr bool kHas = true;
  using Raw = typename Fragments<kFormat>::Raw;
  int32_t high[2], low[2], min[2];  // of rows g and g + 8

  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (int r = 0; r < 2; ++r) high[r] = low[r] = min[r] = 0;
  }
  __device__ static __forceinline__ void Words(const Raw& raw, int b, uint32_t (&a)[4]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const uint32_t w = WordOf(raw.codes, b, r);
      a[r] = w & 0x0f0f0f0fU;
      a[2 + r] = w >> 4 & 0x0f0f0f0fU;
      if constexpr (FragmentPartsOf(kFormat).high_bytes != 0) {
        const uint32_t fifth = raw.high >> (8 * r + 4 * b);
        a[r] |= (fifth << 4 & 0x00100010U) | (fifth << 10 & 0x10001000U);
        a[2 + r] |= (fifth << 3 & 0x00100010U) | (fifth << 9 & 0x10001000U);
      }
    }
  }
  __device__ __forceinline__ void Add(const Raw& raw, int b, const int32_t (&c)[4], int32_t sum) {
    const uint32_t bytes = b == 0 ? raw.scales.x : raw.scales.y;
    high[0] += ByteOf<0>(bytes) * c[0];
    low[0] += ByteOf<0>(bytes) * c[1];
    min[0] += ByteOf<1>(bytes) * sum;
    high[1] += ByteOf<2>(bytes) * c[2];
    low[1] += ByteOf<2>(bytes) * c[3];
    min[1] += ByteOf<3>(bytes) * sum;
  }
  __device__ __forceinline__ float2 Value(const Raw& raw) const {
    const auto value = [&](int r, uint32_t head) {
      return __fmaf_rn(LowHalf(head), Joined(high[r], low[r]),
                       HighHalf(head) * static_cast<float>(min[r]));
    };
    return {value(0, raw.head.x), value(1, raw.head.y)};
  }
};

}  // namespace detail

template <>
struct Codes<FormatId::kQ4_K> : detail::AffineCodes<FormatId::kQ4_K> {};
template <>
struct Codes<FormatId::kQ5_K> : detail::AffineCodes<FormatId::kQ5_K> {};

}  // namespace wring::cuda
