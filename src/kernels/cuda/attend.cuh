// attend(q, segments) for one codec and padded head size a source file. Eight warps compute one block of 64 positions after
// the other, for up to 16 query vectors of one KV head, on tensor cores: for scores each warp has 8 of the positions, for
// outputs an eighth of the channels, and between the two they exchange maxima and weights. Blocks are merged to chunks of
// four and chunks to the whole, in order; where an item is only a part of that, who is last to finish merges them all.
//
// Keys [token][channel] and values [channel][token] are both copied as they lie, each byte once, by the warp that multiplies
// them: each warp has a ring of its own in shared memory and waits for nobody. They are read back as 16 contiguous bytes a
// lane.
#pragma once

#include "kernels/cuda/append.cuh"
#include "kernels/cuda/launch.h"
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
  __device__ static __forceinline__ uint32_t Piece(uint32_t /*row*/, uint32_t piece) { return piece; }
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

// What the warps know of their item.
template <CodecId kCodec, uint32_t kDim>
struct Attention {
  using S = Stored<kCodec>;
  static constexpr uint32_t kPieces = kDim / 8;          // of 8 channels
  static constexpr uint32_t kSteps = (kPieces + 3) / 4;  // of 32 channels
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
    const std::byte* values = keys + args.kv_heads * args.cache.head_bytes;
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
};

// All parts of a tile, in order, a thread a value. partial(p): outputs, maxima and sums of part p; store(value, sum).
template <uint32_t kDim, typename From, typename Store>
__device__ __forceinline__ void MergeParts(const AttendItem& item, From partial, Store store) {
  const uint32_t count = item.count;
  for (uint32_t i = threadIdx.x; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    Partial<1, 1> all = {};
    Partial<1, 1> chunk = {};
    bool any = false;  // of `all`
    const auto flush = [&] {
      if (any) {
        all.Add(chunk);
      } else {
        all = chunk;
      }
      any = true;
    };
    constexpr uint32_t kBatch = 4;  // asked for at once
    for (uint32_t first = 0; first < item.parts; first += kBatch) {
      Partial<1, 1> x[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        const float* from = partial(min(first + k, item.parts - 1));
        x[k].max[0] = __ldcg(from + count * kDim + n);
        x[k].sum[0] = __ldcg(from + count * (kDim + 1) + n);
        x[k].out[0][0] = __ldcg(from + i);
      }
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        const uint32_t p = first + k;
        if (p >= item.parts) break;
        if (p > 0 && item.of_chunks == 0 && (item.origin + p) % kChunkBlocks != 0) {
          chunk.Add(x[k]);
          continue;
        }
        if (p > 0) flush();
        chunk = x[k];
      }
    }
    flush();
    store(i, all.out[0][0], all.sum[0]);
  }
}

// The same, to the bit, for parts that are chunks: what they are multiplied by is computed once a vector. factors:
// [parts][count]; sums: a float a vector.
template <uint32_t kDim, typename From, typename Store>
__device__ __forceinline__ void MergeChunks(uint32_t parts, uint32_t count, From partial,
                                            float2* factors, float* sums, Store store) {
  for (uint32_t i = threadIdx.x; i < parts * count; i += kAttendThreads) {
    const float* from = partial(i / count) + count * kDim + i % count;
    factors[i] = {__ldcg(from), __ldcg(from + count)};
  }
  __syncthreads();
  if (threadIdx.x < count) {
    Partial<1, 1> all = {{factors[threadIdx.x].x}, {factors[threadIdx.x].y}, {}};
    factors[threadIdx.x] = {0, 1};
    for (uint32_t p = 1; p < parts; ++p) {
      float2& f = factors[p * count + threadIdx.x];
      const float most = fmaxf(all.max[0], f.x);
      const float mine = Shrink(all.max[0], most);
      const float other = Shrink(f.x, most);
      all.sum[0] = __fmaf_rn(all.sum[0], mine, f.y * other);
      all.max[0] = most;
      f = {mine, other};
    }
    sums[threadIdx.x] = all.sum[0];
  }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    constexpr uint32_t kBatch = 16;  // asked for at once
    float out = 0;
    for (uint32_t first = 0; first < parts; first += kBatch) {
      float o[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k)
        o[k] = first + k < parts ? __ldcg(partial(first + k) + i) : 0.F;
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (first + k >= parts) break;
        const float2 f = factors[(first + k) * count + n];
        out = first + k == 0 ? o[k] : __fmaf_rn(out, f.x, o[k] * f.y);
      }
    }
    store(i, out, sums[n]);
  }
}

// One item and KV head by a block of threads. `ring`: kRingBytes; `shared`: AttendBytes(item.count, kDim), where prepare()
// puts the queries; blocks before `known` may be asked for before that. last: a word.
template <CodecId kCodec, uint32_t kDim, typename Prepare>
__device__ __forceinline__ void AttendUnit(const AttendArgs& args, const AttendItem& item,
                                           uint32_t kv_head, uint8_t* ring, uint8_t* shared,
                                           uint32_t* last, uint32_t known, Prepare prepare) {
  using A = Attention<kCodec, kDim>;
  using S = Stored<kCodec>;
  constexpr uint32_t kRowPieces = AttendPieces(kDim);
  const uint32_t thread = threadIdx.x;
  const A a = {args, item, kv_head, thread};
  const uint32_t warp = a.warp();
  const uint32_t g = a.g();
  const uint32_t t = a.t();
  const uint32_t count = item.count;
  uint8_t* stages = ring + warp * (A::kStages * A::kStageBytes);
  const uint4* queries = reinterpret_cast<const uint4*>(shared);
  uint8_t* weights = shared + count * kRowPieces * 16;  // [16][64] float16
  float* maxes = reinterpret_cast<float*>(weights + 16 * 128);  // [kAttendWarps][16]
  float* sums = maxes + kAttendWarps * 16;
  uint32_t begin[2];
  uint32_t end[2];
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    end[r] = a.End(g + 8 * r);
    begin[r] = args.window != 0 && end[r] > args.window ? end[r] - args.window : 0;
  }
  const uint32_t all_end = a.End(count - 1);

  // A partial: outputs of `count` vectors, their maxima, their sums.
  const auto partial = [&](uint32_t part) {
    const uint64_t vectors = uint64_t{item.partial + part * count} * args.kv_heads + kv_head * count;
    return args.partials + vectors * (kDim + 2);
  };
  const auto store_partial = [&](uint32_t number, const typename A::Part& part) {
    float* to = partial(number);
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t n = g + 8 * r;
      if (n >= count) continue;
#pragma unroll
      for (uint32_t i = 0; i < A::kOwn; ++i) {
        const uint32_t d = 8 * (warp + kAttendWarps * i) + 2 * t;
        if (d < kDim) {
          *reinterpret_cast<float2*>(to + n * kDim + d) = {part.out[r][2 * i],
                                                           part.out[r][2 * i + 1]};
        }
      }
      if (warp == 0 && t == 0) {
        to[count * kDim + n] = part.max[r];
        to[count * (kDim + 1) + n] = part.sum[r];
      }
    }
  };
  typename A::Part whole;
  typename A::Part chunk;
  const uint32_t stop = item.block + item.blocks;
  const auto fill = [&](uint32_t block) {
    if (block < stop) a.Fill(stages + (block - item.block) % A::kStages * A::kStageBytes, block);
    CommitCopies();
  };
  uint32_t asked = item.block;
  while (asked < min(known, item.block + A::kStages)) fill(asked++);
  prepare();
  while (asked < item.block + A::kStages) fill(asked++);
  for (uint32_t block = item.block; block < stop; ++block) {
    WaitCopies<A::kStages - 1>();
    __syncwarp();
    const uint32_t stage = SharedAddress(stages + (block - item.block) % A::kStages * A::kStageBytes);
    const float* scales = reinterpret_cast<const float*>(
        stages + (block - item.block) % A::kStages * A::kStageBytes + A::kScalesAt);
    float s[4] = {};
#pragma unroll
    for (uint32_t b = 0; b < A::kSteps; ++b) {
      uint4 q[2] = {};
      uint4 of = {0, 0, 0, 0};
      const uint32_t piece = 4 * b + t;
      if (piece < A::kPieces) {
        if (g < count) q[0] = queries[g * kRowPieces + SwappedPiece(g, piece)];
        if (g + 8 < count) q[1] = queries[(g + 8) * kRowPieces + SwappedPiece(g, piece)];
        of = S::Load(stage + g * A::kKeyPitch, g, piece);
      }
      Mma(s, q[0].x, q[1].x, q[0].y, q[1].y, of.x, of.y);
      Mma(s, q[0].z, q[1].z, q[0].w, q[1].w, of.z, of.w);
    }
    // Scale, cap, mask. Scores are base-2 logarithms from here on.
    constexpr float kLog2e = 1.44269504F;
    const uint32_t token = 8 * warp + 2 * t;  // and the one after it
    float m[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      float x = s[i] * args.scale;
      if constexpr (A::kScaled) x *= scales[2 * t + i % 2];
      if (args.softcap > 0) x = args.softcap * tanhf(x / args.softcap);
      const uint32_t at = block * kBlockTokens + token + i % 2;
      const uint32_t r = i / 2;
      s[i] = at >= begin[r] && at < end[r] ? x * kLog2e : -INFINITY;
      m[r] = fmaxf(m[r], s[i]);
    }
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      m[r] = fmaxf(m[r], __shfl_xor_sync(0xffffffffU, m[r], 1));
      m[r] = fmaxf(m[r], __shfl_xor_sync(0xffffffffU, m[r], 2));
      if (t == 0) maxes[16 * warp + g + 8 * r] = m[r];
    }
    __syncthreads();
    typename A::Part part;
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t row = g + 8 * r;
      part.max[r] = maxes[row];
#pragma unroll
      for (uint32_t w = 1; w < kAttendWarps; ++w)
        part.max[r] = fmaxf(part.max[r], maxes[16 * w + row]);
      float* x = &s[2 * r];
      x[0] = Shrink(x[0], part.max[r]);
      x[1] = Shrink(x[1], part.max[r]);
      float l = x[0] + x[1];
      if constexpr (A::kScaled) {
        // What this request has not written is another's, and may be no number.
        if (x[0] != 0) x[0] *= scales[8 + 2 * t];
        if (x[1] != 0) x[1] *= scales[8 + 2 * t + 1];
      }
      *reinterpret_cast<uint32_t*>(weights + row * 128 + SwappedPiece(row, warp) * 16 + 4 * t) =
          AsWord(__floats2half2_rn(x[0], x[1]));
      l += __shfl_xor_sync(0xffffffffU, l, 1);
      l += __shfl_xor_sync(0xffffffffU, l, 2);
      if (t == 0) sums[16 * warp + row] = l;
    }
    __syncthreads();
    uint4 p[2][2];  // [half of the block][row]
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t row = g + 8 * r;
      part.sum[r] = sums[row];
#pragma unroll
      for (uint32_t w = 1; w < kAttendWarps; ++w) part.sum[r] += sums[16 * w + row];
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        p[h][r] = *reinterpret_cast<const uint4*>(weights + row * 128 +
                                                  SwappedPiece(row, 4 * h + t) * 16);
      }
    }
    // 0 times a number that is not one is not 0: positions that nobody sees must not reach the product.
    const uint32_t seen = all_end - min(all_end, block * kBlockTokens);
#pragma unroll
    for (uint32_t i = 0; i < A::kOwn; ++i) {
      float o[4] = {};
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        const uint32_t row = 8 * i + g;
        uint4 of = S::Load(stage + A::kValuesAt + row * A::kValuePitch, row, 4 * h + t);
        if (seen < kBlockTokens && kCodec == CodecId::kF16) of = A::Keep(of, seen, 32 * h + 8 * t);
        Mma(o, p[h][0].x, p[h][1].x, p[h][0].y, p[h][1].y, of.x, of.y);
        Mma(o, p[h][0].z, p[h][1].z, p[h][0].w, p[h][1].w, of.z, of.w);
      }
#pragma unroll
      for (uint32_t x = 0; x < 4; ++x) part.out[x / 2][2 * i + x % 2] = o[x];
    }
    __syncwarp();
    fill(block + A::kStages);
    if (block == item.block || block % kChunkBlocks == 0) {
      chunk = part;
    } else {
      chunk.Add(part);
    }
    if (block + 1 == stop || (block + 1) % kChunkBlocks == 0) {
      const uint32_t done = block / kChunkBlocks - item.block / kChunkBlocks;  // chunks
      if (item.parts > 1) {
        store_partial(item.part + done, chunk);
      } else if (done == 0) {
        whole = chunk;
      } else {
        whole.Add(chunk);
      }
    }
  }
  const auto out_of = [&](uint32_t n) {
    return reinterpret_cast<__half*>(args.out) + uint64_t{a.Row(n)} * args.ld_out +
           a.Head(n) * args.head_dim;
  };
  if (item.parts == 1) {
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      if (g + 8 * r >= count) continue;
      __half* to = out_of(g + 8 * r);
#pragma unroll
      for (uint32_t i = 0; i < A::kOwn; ++i) {
#pragma unroll
        for (uint32_t x = 0; x < 2; ++x) {
          const uint32_t d = 8 * (warp + kAttendWarps * i) + 2 * t + x;
          if (d < args.head_dim) to[d] = Saturated(whole.out[r][2 * i + x] / whole.sum[r]);
        }
      }
    }
    return;
  }
  __threadfence();
  __syncthreads();
  uint32_t* counter = args.counters + item.tile * args.kv_heads + kv_head;
  if (thread == 0) {
    const uint32_t mine = item.of_chunks == 0 ? 1 : (stop - 1) / kChunkBlocks - item.block / kChunkBlocks + 1;
    *last = atomicAdd(counter, mine) + mine == item.parts ? 1 : 0;
    if (*last != 0) *counter = 0;
  }
  __syncthreads();
  if (*last == 0) return;
  __threadfence();
  const auto store = [&](uint32_t i, float value, float sum) {
    if (i % kDim < args.head_dim) out_of(i / kDim)[i % kDim] = Saturated(value / sum);
  };
  auto* factors = reinterpret_cast<float2*>(ring);  // [part][vector]; maxima and sums at first
  if (item.of_chunks != 0 && item.parts * count * sizeof(float2) <= A::kRingBytes) {
    MergeChunks<kDim>(item.parts, count, partial, factors, sums, store);
  } else {
    MergeParts<kDim>(item, partial, store);
  }
}

// fused: with the cache write of `append`, and queries from there. What does not depend on the launch before this one is
// asked for before that has ended: tables, and positions that no row of the step writes.
template <CodecId kCodec, uint32_t kDim>
__global__ void __launch_bounds__(kAttendThreads, kDim <= 128 ? 3 : 1)
    AttendKernel(const __grid_constant__ AttendArgs args, const __grid_constant__ AppendArgs append,
                 bool fused) {
  extern __shared__ __align__(16) uint8_t attend_shared[];
  __shared__ uint32_t last;
  LetNextStart();
  if (blockIdx.x >= *args.item_count) return WaitForPrevious();
  const AttendItem item = args.items[blockIdx.x];
  const uint32_t kv_head = blockIdx.y;
  const Attention<kCodec, kDim> a = {args, item, kv_head, threadIdx.x};
  // The ring, a vector a warp, and what the warps share.
  constexpr uint32_t kRing = Attention<kCodec, kDim>::kRingBytes;
  uint8_t* shared = attend_shared + kRing + kAttendWarps * kDim * sizeof(float);
  auto* queries = reinterpret_cast<__half*>(shared);
  const auto place = [&](uint32_t n, uint32_t channel) {
    return (n * AttendPieces(kDim) + SwappedPiece(n, channel / 8)) * 8 + channel % 8;
  };
  const auto copy = [&] {
    constexpr uint32_t kPieces = kDim / 8;
    for (uint32_t i = threadIdx.x; i < item.count * kPieces; i += kAttendThreads) {
      const uint32_t n = i / kPieces;
      const uint32_t channel = i % kPieces * 8;
      const Half* q = args.q + uint64_t{a.Row(n)} * args.ldq + a.Head(n) * kDim;
      *reinterpret_cast<uint4*>(queries + place(n, channel)) =
          *reinterpret_cast<const uint4*>(q + channel);
    }
  };
  // Queries are turned here, and keys and values of the rows that fall into the item's blocks written.
  const auto append_and_turn = [&] {
    const uint32_t warp = threadIdx.x / 32;
    const uint32_t lane = threadIdx.x % 32;
    float* vector = reinterpret_cast<float*>(attend_shared + kRing) + warp * kDim;
    for (uint32_t n = warp; n < item.count; n += kAttendWarps) {
      PrepareHead(append, a.Row(n), a.Head(n), HeadKind::kQuery, lane,
                  [&](uint32_t c, float v) { queries[place(n, c)] = Saturated(v); });
      for (uint32_t c = args.head_dim + lane; c < kDim; c += 32)
        queries[place(n, c)] = __half(0.F);
    }
    // Warps that have no query begin.
    for (uint32_t i = (warp + 16 * kAttendWarps - item.count) % kAttendWarps; i < 2 * item.rows;
         i += kAttendWarps) {
      const uint32_t row = item.first_row + i / 2;
      const uint32_t position = args.row.position[row];
      const uint32_t block = position / kBlockTokens;
      if (block - item.block >= item.blocks) continue;
      const bool key = i % 2 == 0;
      PrepareHead(append, row, kv_head, key ? HeadKind::kKey : HeadKind::kValue, vector, lane);
      StoreHead<kCodec>(args.head_dim,
                        HeadOf(args.cache, BlockAt(args.cache, item.sequence, block),
                               key ? kv_head : args.kv_heads + kv_head),
                        position % kBlockTokens, key, vector, lane);
      __syncwarp();
    }
  };
  const uint32_t known = fused ? args.row.position[item.first_row] / kBlockTokens : 0;
  AttendUnit<kCodec, kDim>(args, item, kv_head, attend_shared, shared, &last, known, [&] {
    WaitForPrevious();
    if (fused) {
      append_and_turn();
    } else {
      copy();
    }
    __syncthreads();
  });
}

template <CodecId kCodec, uint32_t kDim>
void LaunchAttend(Launcher& l, const AttendArgs& args, const AppendArgs* append) {
  Launch(l, AttendKernel<kCodec, kDim>, dim3(args.grid_items, args.kv_heads), kAttendThreads,
         Attention<kCodec, kDim>::kRingBytes + kAttendWarps * kDim * sizeof(float) +
             AttendBytes(args.most, kDim),
         args,
         append != nullptr ? *append : AppendArgs{}, append != nullptr);
}

using AttendLaunch = void (*)(Launcher&, const AttendArgs&, const AppendArgs*);

}  // namespace wring::cuda
