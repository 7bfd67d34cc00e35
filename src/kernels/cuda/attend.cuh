// attend(q, segments) for one codec and padded head size a source file. Eight warps compute one block of 64 positions after
// the other, for up to 16 query vectors of one KV head, on tensor cores: for scores each warp has 8 of the positions, for
// outputs an eighth of the channels, and between the two they exchange maxima and weights. Blocks are merged to chunks of
// four and chunks to the whole, in order; where an item is only a part of that, who is last to finish merges them all.
//
// Keys [token][channel] and values [channel][token] are both read as 16 contiguous bytes a lane, straight from the cache,
// each byte once, all of a block before any of it is used.
#pragma once

#include "kernels/cuda/append.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {

constexpr uint32_t kAttendWarps = 8;
constexpr uint32_t kAttendThreads = 32 * kAttendWarps;

// Eight stored values of a lane as four float16 pairs.
template <CodecId kCodec>
struct Stored;
template <>
struct Stored<CodecId::kF16> {
  static constexpr uint32_t kBytes = 2;
  using Raw = uint4;
  __device__ static __forceinline__ Raw Load(const std::byte* p) {
    return *reinterpret_cast<const uint4*>(p);
  }
  __device__ static __forceinline__ uint4 Halves(Raw raw) { return raw; }
};
template <>
struct Stored<CodecId::kI8> {
  static constexpr uint32_t kBytes = 1;
  using Raw = uint2;
  __device__ static __forceinline__ Raw Load(const std::byte* p) {
    return *reinterpret_cast<const uint2*>(p);
  }
  __device__ static __forceinline__ uint32_t Pair(uint32_t word, uint32_t selector) {
    // v ^ 0x80 is v + 128; 0x6400 | that is 1024 + 128 + v.
    return Sub2(__byte_perm(word ^ 0x80808080U, 0x64646464, selector), Half2Of(1024 + 128));
  }
  __device__ static __forceinline__ uint4 Halves(Raw raw) {
    return {Pair(raw.x, 0x4140), Pair(raw.x, 0x4342), Pair(raw.y, 0x4140), Pair(raw.y, 0x4342)};
  }
};

// exp2(a - b) where a <= b and both may be minus infinity.
__device__ __forceinline__ float Shrink(float a, float b) {
  return a == -INFINITY ? 0.F : exp2f(a - b);
}

// Shared memory of the warps: queries, a block's weights, maxima and sums. 16-byte piece c of row n stands at
// c ^ 4 (n & 1): no bank conflicts.
constexpr uint32_t AttendPieces(uint32_t dim) { return (dim / 8 + 7) / 8 * 8; }
constexpr uint32_t AttendBytes(uint32_t count, uint32_t dim) {
  return count * AttendPieces(dim) * 16 + 16 * 128 + 2 * kAttendWarps * 16 * 4;
}
__device__ __forceinline__ uint32_t SwappedPiece(uint32_t row, uint32_t piece) {
  return piece ^ ((row & 1) << 2);
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

// What the warps know of their item. What a lane asks for at once is limited for large heads.
template <CodecId kCodec, uint32_t kDim>
struct Attention {
  using S = Stored<kCodec>;
  static constexpr uint32_t kPieces = kDim / 8;          // of 8 channels
  static constexpr uint32_t kSteps = (kPieces + 3) / 4;  // of 32 channels
  static constexpr uint32_t kOwn = (kPieces + kAttendWarps - 1) / kAttendWarps;  // a warp's
  static constexpr uint32_t kKeySteps = kSteps < 4 ? kSteps : 4;  // asked for at once
  static constexpr uint32_t kValuePieces = kOwn < 4 ? kOwn : 4;
  static constexpr bool kScaled = kCodec == CodecId::kI8;
  static_assert(kDim % 16 == 0);
  using Part = Partial<2, 2 * kOwn>;  // of vectors g and g + 8
  struct Keys {
    typename S::Raw raw[kKeySteps];
  };
  struct Values {
    typename S::Raw raw[kValuePieces][2];
  };

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

  __device__ __forceinline__ void LoadKeys(const std::byte* keys, uint32_t step, Keys* k) const {
    const uint32_t token = 8 * warp() + g();
#pragma unroll
    for (uint32_t b = 0; b < kKeySteps; ++b) {
      k->raw[b] = {};
      const uint32_t piece = 4 * (step + b) + t();
      if (piece < kPieces) k->raw[b] = S::Load(keys + (token * kDim + 8 * piece) * S::kBytes);
    }
  }
  __device__ __forceinline__ void LoadValues(const std::byte* values, uint32_t first,
                                             Values* v) const {
#pragma unroll
    for (uint32_t i = 0; i < kValuePieces; ++i) {
      const uint32_t c = warp() + kAttendWarps * (first + i);
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        v->raw[i][h] = {};
        if (c < kPieces) {
          v->raw[i][h] =
              S::Load(values + ((8 * c + g()) * kBlockTokens + 32 * h + 8 * t()) * S::kBytes);
        }
      }
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

// One item and KV head by a block of threads. `shared`: AttendBytes(item.count, kDim), where prepare() puts the queries;
// early: after the first block was asked for. last: a word.
template <CodecId kCodec, uint32_t kDim, typename Prepare>
__device__ __forceinline__ void AttendUnit(const AttendArgs& args, const AttendItem& item,
                                           uint32_t kv_head, uint8_t* shared, uint32_t* last,
                                           bool early, Prepare prepare) {
  using A = Attention<kCodec, kDim>;
  using S = Stored<kCodec>;
  constexpr uint32_t kRowPieces = AttendPieces(kDim);
  const uint32_t thread = threadIdx.x;
  const A a = {args, item, kv_head, thread};
  const uint32_t warp = a.warp();
  const uint32_t g = a.g();
  const uint32_t t = a.t();
  const uint32_t count = item.count;
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

  typename A::Part whole;
  typename A::Part chunk;
  const uint32_t stop = item.block + item.blocks;
  if (!early) prepare();
  for (uint32_t block = item.block; block < stop; ++block) {
    const std::byte* keys = HeadOf(args.cache, BlockAt(args.cache, item.sequence, block), kv_head);
    const std::byte* values = keys + args.kv_heads * args.cache.head_bytes;
    typename A::Keys k;
    typename A::Values v;
    a.LoadKeys(keys, 0, &k);
    a.LoadValues(values, 0, &v);
    if (early && block == item.block) prepare();
    float s[4] = {};
#pragma unroll
    for (uint32_t step = 0; step < A::kSteps; step += A::kKeySteps) {
      if (step > 0) a.LoadKeys(keys, step, &k);
#pragma unroll
      for (uint32_t b = 0; b < A::kKeySteps; ++b) {
        if (step + b >= A::kSteps) break;
        uint4 q[2] = {};
        const uint32_t piece = 4 * (step + b) + t;
        if (g < count) q[0] = queries[g * kRowPieces + SwappedPiece(g, piece)];
        if (g + 8 < count) q[1] = queries[(g + 8) * kRowPieces + SwappedPiece(g, piece)];
        if (piece >= A::kPieces) q[0] = q[1] = {0, 0, 0, 0};
        const uint4 of = S::Halves(k.raw[b]);
        Mma(s, q[0].x, q[1].x, q[0].y, q[1].y, of.x, of.y);
        Mma(s, q[0].z, q[1].z, q[0].w, q[1].w, of.z, of.w);
      }
    }
    // Scale, cap, mask. Scores are base-2 logarithms from here on.
    constexpr float kLog2e = 1.44269504F;
    const uint32_t token = 8 * warp + 2 * t;  // and the one after it
    const auto scales_of = [&](const std::byte* head) {
      return reinterpret_cast<const float*>(head + kBlockTokens * kDim * S::kBytes) + token;
    };
    float m[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      float x = s[i] * args.scale;
      if constexpr (A::kScaled) x *= scales_of(keys)[i % 2];
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
        if (x[0] != 0) x[0] *= scales_of(values)[0];
        if (x[1] != 0) x[1] *= scales_of(values)[1];
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
    for (uint32_t first = 0; first < A::kOwn; first += A::kValuePieces) {
      if (first > 0) a.LoadValues(values, first, &v);
#pragma unroll
      for (uint32_t i = 0; i < A::kValuePieces; ++i) {
        if (first + i >= A::kOwn) break;
        float o[4] = {};
#pragma unroll
        for (uint32_t h = 0; h < 2; ++h) {
          uint4 of = S::Halves(v.raw[i][h]);
          if (seen < kBlockTokens && kCodec == CodecId::kF16) of = A::Keep(of, seen, 32 * h + 8 * t);
          Mma(o, p[h][0].x, p[h][1].x, p[h][0].y, p[h][1].y, of.x, of.y);
          Mma(o, p[h][0].z, p[h][1].z, p[h][0].w, p[h][1].w, of.z, of.w);
        }
#pragma unroll
        for (uint32_t x = 0; x < 4; ++x) part.out[x / 2][2 * (first + i) + x % 2] = o[x];
      }
    }
    if (block == item.block || block % kChunkBlocks == 0) {
      chunk = part;
    } else {
      chunk.Add(part);
    }
    if (block + 1 == stop || (block + 1) % kChunkBlocks == 0) {
      if (block / kChunkBlocks == item.block / kChunkBlocks) {
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
  // A partial: outputs of `count` vectors, their maxima, their sums.
  const auto partial = [&](uint32_t part) {
    const uint64_t vectors = uint64_t{item.partial + part * count} * args.kv_heads + kv_head * count;
    return args.partials + vectors * (kDim + 2);
  };
  float* mine = partial(item.part);
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    const uint32_t n = g + 8 * r;
    if (n >= count) continue;
#pragma unroll
    for (uint32_t i = 0; i < A::kOwn; ++i) {
      const uint32_t d = 8 * (warp + kAttendWarps * i) + 2 * t;
      if (d < kDim) {
        *reinterpret_cast<float2*>(mine + n * kDim + d) = {whole.out[r][2 * i],
                                                           whole.out[r][2 * i + 1]};
      }
    }
    if (warp == 0 && t == 0) {
      mine[count * kDim + n] = whole.max[r];
      mine[count * (kDim + 1) + n] = whole.sum[r];
    }
  }
  __threadfence();
  __syncthreads();
  uint32_t* counter = args.counters + item.tile * args.kv_heads + kv_head;
  if (thread == 0) {
    *last = atomicAdd(counter, 1) == item.parts - 1 ? 1 : 0;
    if (*last != 0) *counter = 0;
  }
  __syncthreads();
  if (*last == 0) return;
  __threadfence();
  for (uint32_t i = thread; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    Partial<1, 1> all = {};
    Partial<1, 1> of_chunk = {};
    bool any = false;  // of `all`
    const auto flush = [&] {
      if (any) {
        all.Add(of_chunk);
      } else {
        all = of_chunk;
      }
      any = true;
    };
#pragma unroll 8
    for (uint32_t c = 0; c < item.parts; ++c) {
      const float* from = partial(c);
      Partial<1, 1> x;
      x.max[0] = __ldcg(from + count * kDim + n);
      x.sum[0] = __ldcg(from + count * (kDim + 1) + n);
      x.out[0][0] = __ldcg(from + i);
      if (c > 0 && !item.of_chunks && (item.origin + c) % kChunkBlocks != 0) {
        of_chunk.Add(x);
        continue;
      }
      if (c > 0) flush();
      of_chunk = x;
    }
    flush();
    if (i % kDim < args.head_dim) out_of(n)[i % kDim] = Saturated(all.out[0][0] / all.sum[0]);
  }
}

// fused: with the cache write of `append`, and queries from there. What does not depend on the launch before this one is
// asked for before that has ended: tables, and positions that no row of the step writes.
template <CodecId kCodec, uint32_t kDim>
__global__ void __launch_bounds__(kAttendThreads, kDim <= 128 ? 2 : 1)
    AttendKernel(const __grid_constant__ AttendArgs args, const __grid_constant__ AppendArgs append,
                 bool fused) {
  extern __shared__ __align__(16) uint8_t attend_shared[];
  __shared__ uint32_t last;
  LetNextStart();
  if (blockIdx.x >= *args.item_count) return WaitForPrevious();
  const AttendItem item = args.items[blockIdx.x];
  const uint32_t kv_head = blockIdx.y;
  const Attention<kCodec, kDim> a = {args, item, kv_head, threadIdx.x};
  uint8_t* shared = attend_shared + kAttendWarps * kMaxHead * sizeof(float);
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
    float* vector = reinterpret_cast<float*>(attend_shared) + warp * kMaxHead;
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
  const bool early = fused && args.row.position[item.first_row] / kBlockTokens > item.block;
  AttendUnit<kCodec, kDim>(args, item, kv_head, shared, &last, early, [&] {
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
         kAttendWarps * kMaxHead * sizeof(float) + AttendBytes(16, kDim), args,
         append != nullptr ? *append : AppendArgs{}, append != nullptr);
}

using AttendLaunch = void (*)(Launcher&, const AttendArgs&, const AppendArgs*);

}  // namespace wring::cuda
