// What formats share on their way from fragments to float16: where a lane reads, and codes as exact small numbers.
#pragma once

#include "kernels/cuda/mma.cuh"
#include "quant/fragments/parts.h"
#include "quant/gguf/blocks.h"

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

// 2-bit codes of block b of the row's word; `high` adds a third bit (at 2 / 18); less kOffset.
template <int kOffset>
__device__ __forceinline__ void Codes2(uint32_t w, int b, const uint32_t (&high)[4],
                                       uint32_t (&q)[4]) {
#pragma unroll
  for (int p = 0; p < 4; ++p)
    q[p] = Sub2(MaskOr(w >> (2 * (4 * b + p)), 0x00030003, Magic() | high[p]),
                Half2Of(1024 + kOffset));
}
// The third bits of row r, block b.
__device__ __forceinline__ void High1Third(uint32_t w, int r, int b, uint32_t (&high)[4]) {
#pragma unroll
  for (int p = 0; p < 4; ++p) high[p] = Shifted(w, 2 - (8 * r + 4 * b + p)) & 0x00040004;
}

// Values of a table of 16 signed bytes, as float16: four bytes of `values` + 128 a word.
struct Table16 {
  uint32_t word[4];
};
constexpr Table16 TableOf(const int8_t (&values)[16]) {
  Table16 t = {};
  for (uint32_t i = 0; i < 16; ++i)
    t.word[i / 4] |= static_cast<uint32_t>(values[i] + 128) << (8 * (i % 4));
  return t;
}
__device__ __forceinline__ void Looked(uint32_t w, const Table16& t, uint32_t (&q)[4]) {
  // A byte permutation takes three bits of a code; the fourth chooses between its two halves of the table.
  const uint32_t low = w & 0x77777777;
  const uint32_t upper = ((w >> 1) & 0x44444444) | 0x32103210;
  uint32_t bytes[2];  // of even columns, of odd ones
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    bytes[i] = __byte_perm(__byte_perm(t.word[0], t.word[1], low >> (16 * i)),
                           __byte_perm(t.word[2], t.word[3], low >> (16 * i)), upper >> (16 * i));
  }
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    const uint32_t both = __byte_perm(bytes[0], bytes[1], p | p << 4 | (4 + p) << 8 | p << 12);
    q[p] = Sub2(MaskOr(both, 0x00ff00ff, Magic()), Half2Of(1024 + 128));
  }
}

// The word of 4-bit codes of block b, row g + 8 r.
__device__ __forceinline__ uint32_t WordOf(const uint4& codes, int b, int r) {
  return b == 0 ? (r == 0 ? codes.x : codes.y) : (r == 0 ? codes.z : codes.w);
}

// Weights code * d of one block: d of rows g and g + 8 are the halves of `scales`, codes(r, q) gives row r's.
template <typename CodesOf>
__device__ __forceinline__ BlockWeights Symmetric(uint32_t scales, CodesOf codes) {
  BlockWeights w;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    uint32_t q[4];
    codes(r, q);
    const uint32_t d = Splat(scales, r);
#pragma unroll
    for (int p = 0; p < 4; ++p) w.a[r][p] = Mul2(q[p], d);
  }
  return w;
}
// Weights code * d + m: scale(r) gives (d, m) of row r.
template <typename ScaleOf, typename CodesOf>
__device__ __forceinline__ BlockWeights Affine(ScaleOf scale, CodesOf codes) {
  BlockWeights w;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    uint32_t q[4];
    codes(r, q);
    const uint32_t both = scale(r);
    const uint32_t d = Splat(both, 0);
    const uint32_t m = Splat(both, 1);
#pragma unroll
    for (int p = 0; p < 4; ++p) w.a[r][p] = Fma2(q[p], d, m);
  }
  return w;
}

}  // namespace detail

}  // namespace wring::cuda
