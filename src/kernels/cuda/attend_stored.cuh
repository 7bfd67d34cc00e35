// How rows of stored values stand in shared memory, and how they become left factors of products over 16 values each
// ("steps"), 16 rows at once. ForSteps: f(step, registers of the factor), where `row` is the row of `rows` that this lane
// addresses.
#pragma once

#include "kernels/cuda/mma.cuh"
#include "kv/codec/codec.h"

namespace wring::cuda {

template <CodecId kCodec>
struct Stored;

// float16: 16 bytes c of row n stand at c ^ (n % 8), so that those of eight rows meet in no bank; rows of 64 bytes are two
// of such a row.
template <>
struct Stored<CodecId::kF16> {
  static constexpr uint32_t kBytes = 2;
  static constexpr uint32_t kFirst = 2;   // lane t has values kFirst t, kFirst t + 1 of a step,
  static constexpr uint32_t kSecond = 8;  // and those so far behind
  static constexpr uint32_t Pitch(uint32_t values) {
    return values <= 32 ? 64 : (values + 63) / 64 * 128;
  }
  __device__ static __forceinline__ uint32_t At(uint32_t row, uint32_t piece, uint32_t pitch) {
    return row * pitch + 16 * (piece ^ (pitch == 64 ? row / 2 & 3 : row & 7));
  }
  // What `rows` more rows change in the place of a piece beside their pitch, where the rows before are of lower bits.
  static constexpr uint32_t Swap(uint32_t rows, uint32_t pitch) {
    return 16 * (pitch == 64 ? rows / 2 & 3 : rows & 7);
  }
  // Of 16 rows, the one that is row r of an mma.
  __device__ static __forceinline__ uint32_t Row(uint32_t r) { return r; }
  template <uint32_t kSteps, typename F>
  __device__ static __forceinline__ void ForSteps(uint32_t rows, uint32_t row, uint32_t pitch,
                                                  uint32_t lane, F f) {
    const uint32_t base = rows + At(row, lane / 16, pitch);
#pragma unroll
    for (uint32_t s = 0; s < kSteps; ++s) {
      uint32_t a[4];
      LoadMatrices(a, (base ^ (32 * (s % 4))) + 128 * (s / 4));
      f(s, a);
    }
  }
};

// int8: rows are an odd number of pieces apart. A lane has four values next to each other.
template <>
struct Stored<CodecId::kI8> {
  static constexpr uint32_t kBytes = 1;
  static constexpr uint32_t kFirst = 4;
  static constexpr uint32_t kSecond = 2;
  static constexpr uint32_t Pitch(uint32_t values) {
    return values / 16 % 2 == 0 ? values + 16 : values;
  }
  __device__ static __forceinline__ uint32_t At(uint32_t row, uint32_t piece, uint32_t pitch) {
    return row * pitch + 16 * piece;
  }
  static constexpr uint32_t Swap(uint32_t /*rows*/, uint32_t /*pitch*/) { return 0; }
  __device__ static __forceinline__ uint32_t Row(uint32_t r) {
    return 4 * (r % 8 / 2) + r % 2 + 2 * (r / 8);
  }
  __device__ static __forceinline__ uint32_t Pair(uint32_t word, uint32_t selector) {
    // v ^ 0x80 is v + 128; 0x6400 | that is 1024 + 128 + v.
    return Sub2(__byte_perm(word ^ 0x80808080U, 0x64646464, selector), Half2Of(1024 + 128));
  }
  template <uint32_t kSteps, typename F>
  __device__ static __forceinline__ void ForSteps(uint32_t rows, uint32_t row, uint32_t pitch,
                                                  uint32_t lane, F f) {
    // Two steps at once; of an odd number the last is read twice.
    const uint32_t base = rows + row * pitch;
#pragma unroll
    for (uint32_t s = 0; s < kSteps; s += 2) {
      uint32_t r[4];
      LoadMatrices(r, base + 16 * s + (s + 1 < kSteps ? lane / 16 * 16 : 0));
#pragma unroll
      for (uint32_t i = 0; i < 2 && s + i < kSteps; ++i) {
        const uint32_t a[4] = {Pair(r[2 * i], 0x4140), Pair(r[2 * i + 1], 0x4140),
                               Pair(r[2 * i], 0x4342), Pair(r[2 * i + 1], 0x4342)};
        f(s + i, a);
      }
    }
  }
};

}  // namespace wring::cuda
