// What eight warps do with one block of 64 positions for up to 16 query vectors: attend.cuh says how it fits together.
#pragma once

#include "kernels/cuda/append.cuh"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {

constexpr uint32_t kAttendWarps = 8;
constexpr uint32_t kAttendThreads = 32 * kAttendWarps;

// 16-byte piece c of row n stands at c ^ 4 (n & 1): no bank conflicts.
__device__ __forceinline__ uint32_t SwappedPiece(uint32_t row, uint32_t piece) {
  return piece ^ ((row & 1) << 2);
}

// Eight stored values as four float16 pairs, from shared memory, where rows of float16 have their 16-byte pieces swapped
// (SwappedPiece) and rows of int8 stand 16 bytes apart.
template <CodecId kCodec>
struct Stored;
template <>
struct Stored<CodecId::kF16> {
  static constexpr uint32_t kBytes = 2;
  static constexpr uint32_t Pitch(uint32_t values) { return (values + 63) / 64 * 128; }
  __device__ static __forceinline__ uint32_t Piece(uint32_t row, uint32_t piece) {
    return SwappedPiece(row, piece);
  }
  __device__ static __forceinline__ uint4 Load(uint32_t row_at, uint32_t row, uint32_t eighth) {
    return LoadShared(row_at + 16 * SwappedPiece(row, eighth));
  }
};
template <>
struct Stored<CodecId::kI8> {
  static constexpr uint32_t kBytes = 1;
  static constexpr uint32_t Pitch(uint32_t values) { return values + 16; }
  __device__ static __forceinline__ uint32_t Piece(uint32_t /*row*/, uint32_t piece) {
    return piece;
  }
  __device__ static __forceinline__ uint32_t Pair(uint32_t word, uint32_t selector) {
    // v ^ 0x80 is v + 128; 0x6400 | that is 1024 + 128 + v.
    return Sub2(__byte_perm(word ^ 0x80808080U, 0x64646464, selector), Half2Of(1024 + 128));
  }
  __device__ static __forceinline__ uint4 Load(uint32_t row_at, uint32_t /*row*/, uint32_t eighth) {
    const uint2 raw = LoadShared2(row_at + 8 * eighth);
    return {Pair(raw.x, 0x4140), Pair(raw.x, 0x4342), Pair(raw.y, 0x4140), Pair(raw.y, 0x4342)};
  }
};

// exp2(a - b) where a <= b and both may be minus infinity.
__device__ __forceinline__ float Shrink(float a, float b) {
  return a == -INFINITY ? 0.F : exp2f(a - b);
}

// Shared memory of the warps together: queries, a block's weights, maxima and sums.
constexpr uint32_t AttendPieces(uint32_t dim) { return (dim / 8 + 7) / 8 * 8; }
constexpr uint32_t AttendBytes(uint32_t count, uint32_t dim) {
  return count * AttendPieces(dim) * 16 + 16 * 128 + 2 * kAttendWarps * 16 * 4;
}

// Maximum, sum and outputs of some positions, for kRows vectors and kCols outputs of each.
template <uint32_t kRows, uint32_t kCols>
struct Partial {
  float max[kRows], sum[kRows], out[kRows][kCols];

  __device__ __forceinline__ void Add(const Partial& p) {
#pragma unroll
    for (uint32_t r = 0; r < kRows; ++r) {
      const float most = fmaxf(max[r], p.max[r]);
      const float mine = Shrink(max[r], most);
      const float other = Shrink(p.max[r], most);
#pragma unroll
      for (uint32_t c = 0; c < kCols; ++c)
        out[r][c] = __fmaf_rn(out[r][c], mine, p.out[r][c] * other);
      sum[r] = __fmaf_rn(sum[r], mine, p.sum[r] * other);
      max[r] = most;
    }
  }
};

struct AttendShared {
  const uint4* queries;
  uint8_t* weights;  // [16][64] float16
  float* maxes;      // [kAttendWarps][16]
  float* sums;       // the same
  __device__ __forceinline__ AttendShared(uint8_t* memory, uint32_t count, uint32_t dim)
      : queries(reinterpret_cast<const uint4*>(memory)),
        weights(memory + count * AttendPieces(dim) * 16),
        maxes(reinterpret_cast<float*>(weights + 16 * 128)),
        sums(maxes + kAttendWarps * 16) {}
};

// What the warps know of their item.
template <CodecId kCodec, uint32_t kDim>
struct Attention {
  using S = Stored<kCodec>;
  static constexpr uint32_t kPieces = kDim / 8;                                  // of 8 channels
  static constexpr uint32_t kSteps = (kPieces + 3) / 4;                          // of 32 channels
  static constexpr uint32_t kOwn = (kPieces + kAttendWarps - 1) / kAttendWarps;  // a warp's
  static constexpr bool kScaled = kCodec == CodecId::kI8;
  static_assert(kDim % 16 == 0);
  using Part = Partial<2, 2 * kOwn>;  // of vectors g and g + 8
  // A warp's part of a block in shared memory: keys of 8 tokens, values of 8 kOwn channels, and both scales of the tokens.
  static constexpr uint32_t kKeyPitch = S::Pitch(kDim);
  static constexpr uint32_t kValuePitch = S::Pitch(kBlockTokens);
  static constexpr uint32_t kValuesAt = 8 * kKeyPitch;
  static constexpr uint32_t kScalesAt = kValuesAt + 8 * kOwn * kValuePitch;
  static constexpr uint32_t kStageBytes = kScalesAt + (kScaled ? 64 : 0);
  static constexpr uint32_t kStages = 2;
  static constexpr uint32_t kRingBytes = kAttendWarps * kStages * kStageBytes;

  const AttendArgs& args;
  const AttendItem& item;
  uint32_t kv_head, thread;

  __device__ __forceinline__ uint32_t warp() const { return thread / 32; }
  __device__ __forceinline__ uint32_t g() const { return thread % 32 / 4; }
  __device__ __forceinline__ uint32_t t() const { return thread % 4; }
  __device__ uint32_t Head(uint32_t n) const {
    const uint32_t group = args.heads / args.kv_heads;
    const uint32_t i = (item.first + n) % group;
    return args.strided ? i * args.kv_heads + kv_head : kv_head * group + i;
  }
  __device__ uint32_t Row(uint32_t n) const {
    return item.first_row + (item.first + n) / (args.heads / args.kv_heads);
  }
  // One past the last position that vector n sees.
  __device__ uint32_t End(uint32_t n) const {
    return n < item.count ? args.row.position[Row(n)] + 1 : 0;
  }

  // Asks for this warp's part of a block.
  __device__ __forceinline__ void Fill(uint8_t* to, uint32_t block) const {
    const std::byte* keys = HeadOf(args.cache, BlockAt(args.cache, item.sequence, block), kv_head);
    const std::byte* values = keys + args.cache.kv_heads * args.cache.head_bytes;
    const uint32_t lane = thread % 32;
    constexpr uint32_t kKeyPieces = kDim * S::kBytes / 16;  // of a token
#pragma unroll
    for (uint32_t i = 0; i < 8 * kKeyPieces; i += 32) {
      const uint32_t row = (i + lane) / kKeyPieces;
      const uint32_t piece = (i + lane) % kKeyPieces;
      if (row < 8) {
        CopyAsync16(to + row * kKeyPitch + 16 * S::Piece(row, piece),
                    keys + 8 * warp() * kDim * S::kBytes + 16 * (i + lane));
      }
    }
    constexpr uint32_t kValuePieces = kBlockTokens * S::kBytes / 16;  // of a channel
#pragma unroll
    for (uint32_t i = 0; i < 8 * kOwn * kValuePieces; i += 32) {
      const uint32_t row = (i + lane) / kValuePieces;
      const uint32_t piece = (i + lane) % kValuePieces;
      const uint32_t channel = 8 * (warp() + kAttendWarps * (row / 8)) + row % 8;
      if (channel < kDim) {
        CopyAsync16(to + kValuesAt + row * kValuePitch + 16 * S::Piece(row, piece),
                    values + (channel * kValuePieces + piece) * 16);
      }
    }
    if (kScaled && lane < 4) {
      const std::byte* scales = (lane < 2 ? keys : values) + kBlockTokens * kDim * S::kBytes;
      CopyAsync16(to + kScalesAt + 16 * lane, scales + 32 * warp() + 16 * (lane % 2));
    }
  }
  __device__ static __forceinline__ uint32_t KeepPair(uint32_t v, uint32_t seen, uint32_t token) {
    return token + 1 < seen ? v : token < seen ? v & 0xffffU : 0;
  }
  __device__ static __forceinline__ uint4 Keep(uint4 v, uint32_t seen, uint32_t token) {
    return {KeepPair(v.x, seen, token), KeepPair(v.y, seen, token + 2),
            KeepPair(v.z, seen, token + 4), KeepPair(v.w, seen, token + 6)};
  }

  // Scores of vectors g (s[0], s[1]) and g + 8 for the tokens 8 warp + 2 t and the one after it: base-2 logarithms. begin,
  // end: positions that each vector sees.
  __device__ __forceinline__ void Scores(const AttendShared& m, const uint8_t* stage,
                                         uint32_t block, const uint32_t (&begin)[2],
                                         const uint32_t (&end)[2], float (&s)[4]) const {
    constexpr uint32_t kRowPieces = AttendPieces(kDim);
    const uint32_t keys = SharedAddress(stage);
#pragma unroll
    for (uint32_t b = 0; b < kSteps; ++b) {
      uint4 q[2] = {};
      uint4 k = {0, 0, 0, 0};
      const uint32_t piece = 4 * b + t();
      if (piece < kPieces) {
        if (g() < item.count) q[0] = m.queries[g() * kRowPieces + SwappedPiece(g(), piece)];
        if (g() + 8 < item.count)
          q[1] = m.queries[(g() + 8) * kRowPieces + SwappedPiece(g(), piece)];
        k = S::Load(keys + g() * kKeyPitch, g(), piece);
      }
      Mma(s, q[0].x, q[1].x, q[0].y, q[1].y, k.x, k.y);
      Mma(s, q[0].z, q[1].z, q[0].w, q[1].w, k.z, k.w);
    }
    constexpr float kLog2e = 1.44269504F;
    const float* scales = reinterpret_cast<const float*>(stage + kScalesAt);
    const uint32_t first = block * kBlockTokens + 8 * warp() + 2 * t();
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      float x = s[i] * args.scale;
      if constexpr (kScaled) x *= scales[2 * t() + i % 2];
      if (args.softcap > 0) x = args.softcap * tanhf(x / args.softcap);
      const uint32_t at = first + i % 2;
      s[i] = at >= begin[i / 2] && at < end[i / 2] ? x * kLog2e : -INFINITY;
    }
  }

  // Scores become weights, in m.weights, with the maximum and sum of each vector. A block of threads together.
  __device__ __forceinline__ void Weigh(const AttendShared& m, const uint8_t* stage, float (&s)[4],
                                        Part* part) const {
    const float* scales = reinterpret_cast<const float*>(stage + kScalesAt) + 8 + 2 * t();
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      float most = fmaxf(s[2 * r], s[2 * r + 1]);
      most = fmaxf(most, __shfl_xor_sync(0xffffffffU, most, 1));
      most = fmaxf(most, __shfl_xor_sync(0xffffffffU, most, 2));
      if (t() == 0) m.maxes[16 * warp() + g() + 8 * r] = most;
    }
    __syncthreads();
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t row = g() + 8 * r;
      part->max[r] = m.maxes[row];
#pragma unroll
      for (uint32_t w = 1; w < kAttendWarps; ++w)
        part->max[r] = fmaxf(part->max[r], m.maxes[16 * w + row]);
      float* x = &s[2 * r];
      x[0] = Shrink(x[0], part->max[r]);
      x[1] = Shrink(x[1], part->max[r]);
      float sum = x[0] + x[1];
      if constexpr (kScaled) {
        // What this request has not written is another's, and may be no number.
        if (x[0] != 0) x[0] *= scales[0];
        if (x[1] != 0) x[1] *= scales[1];
      }
      *reinterpret_cast<uint32_t*>(m.weights + row * 128 + SwappedPiece(row, warp()) * 16 +
                                   4 * t()) = AsWord(__floats2half2_rn(x[0], x[1]));
      sum += __shfl_xor_sync(0xffffffffU, sum, 1);
      sum += __shfl_xor_sync(0xffffffffU, sum, 2);
      if (t() == 0) m.sums[16 * warp() + row] = sum;
    }
    __syncthreads();
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t row = g() + 8 * r;
      part->sum[r] = m.sums[row];
#pragma unroll
      for (uint32_t w = 1; w < kAttendWarps; ++w) part->sum[r] += m.sums[16 * w + row];
    }
  }

  // The weights times the values of this warp's channels; seen: tokens of the block that any vector sees.
  __device__ __forceinline__ void Outputs(const AttendShared& m, const uint8_t* stage,
                                          uint32_t seen, Part* part) const {
    uint4 p[2][2];  // [half of the block][row]
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t row = g() + 8 * r;
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        p[h][r] = *reinterpret_cast<const uint4*>(m.weights + row * 128 +
                                                  SwappedPiece(row, 4 * h + t()) * 16);
      }
    }
    const uint32_t values = SharedAddress(stage) + kValuesAt;
#pragma unroll
    for (uint32_t i = 0; i < kOwn; ++i) {
      float o[4] = {};
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        const uint32_t row = 8 * i + g();
        uint4 v = S::Load(values + row * kValuePitch, row, 4 * h + t());
        // 0 times a number that is not one is not 0.
        if (seen < kBlockTokens && !kScaled) v = Keep(v, seen, 32 * h + 8 * t());
        Mma(o, p[h][0].x, p[h][1].x, p[h][0].y, p[h][1].y, v.x, v.y);
        Mma(o, p[h][0].z, p[h][1].z, p[h][0].w, p[h][1].w, v.z, v.w);
      }
#pragma unroll
      for (uint32_t x = 0; x < 4; ++x) part->out[x / 2][2 * i + x % 2] = o[x];
    }
  }

  // each(vector, channel, index): this thread's outputs.
  template <typename Each>
  __device__ __forceinline__ void ForOutputs(Each each) const {
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      if (g() + 8 * r >= item.count) continue;
#pragma unroll
      for (uint32_t i = 0; i < kOwn; ++i) {
        const uint32_t channel = 8 * (warp() + kAttendWarps * i) + 2 * t();
        if (channel < kDim) each(r, channel, 2 * i);
      }
    }
  }
};

}  // namespace wring::cuda
