// attend(q, segments) for one codec and padded head size a source file. A warp computes one block of 64 positions for up to 16
// query vectors of one KV head on tensor cores; four warps make a chunk; the block of threads that is last to finish a
// tile merges its chunks in order.
//
// S = Q K^T has its columns permuted so that a lane's scores are those of tokens 8 t .. 8 t + 7 of each half of the block:
// packed to float16 they are the A fragments of P V, and keys [token][channel] and values [channel][token] are both read
// as 16 contiguous bytes a lane, straight from the cache, each byte once.
#pragma once

#include "kernels/cuda/append.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {

constexpr uint32_t kAttendThreads = 32 * kChunkBlocks;

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

struct Merged {
  float max, sum, out;
  __device__ __forceinline__ void Add(float m, float l, float o) {
    const float most = fmaxf(max, m);
    const float mine = Shrink(max, most);
    const float other = Shrink(m, most);
    out = __fmaf_rn(out, mine, o * other);
    sum = __fmaf_rn(sum, mine, l * other);
    max = most;
  }
};

template <CodecId kCodec, uint32_t kDim>
struct Attention {
  using S = Stored<kCodec>;
  static constexpr uint32_t kPieces = kDim / 8;          // of 8 channels
  static constexpr uint32_t kSteps = (kPieces + 3) / 4;  // of 32 channels
  static_assert(kDim % 16 == 0);
  static constexpr bool kScaled = kCodec == CodecId::kI8;

  const AttendArgs& args;
  const AttendItem& item;
  uint32_t kv_head, lane, g, t;

  __device__ uint32_t Head(uint32_t n) const {
    const uint32_t group = args.heads / args.kv_heads;
    const uint32_t i = (item.first + n) % group;
    return args.strided ? i * args.kv_heads + kv_head : kv_head * group + i;
  }
  __device__ uint32_t Row(uint32_t n) const {
    return item.first_row + (item.first + n) / (args.heads / args.kv_heads);
  }
  // Positions [begin, end) that vector n sees.
  __device__ void Visible(uint32_t n, uint32_t* begin, uint32_t* end) const {
    *begin = *end = 0;
    if (n >= item.count) return;
    *end = args.row.position[Row(n)] + 1;
    if (args.window != 0 && *end > args.window) *begin = *end - args.window;
  }
  // Max and sum of rows g and g + 8 over one block; store(c, outputs of channels 8 c + 2 t, 8 c + 2 t + 1 of both rows).
  // q: of vector n, kDim channels.
  template <typename Query, typename Store>
  __device__ __forceinline__ void Block(uint32_t block, Query query, float (&m)[2], float (&l)[2],
                                        Store store) const {
    uint4 q[kSteps][2];
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t n = g + 8 * r;
      const bool there = n < item.count;
      const Half* from = query(there ? n : 0);
#pragma unroll
      for (uint32_t b = 0; b < kSteps; ++b) {
        q[b][r] = {0, 0, 0, 0};
        if (there && 4 * b + t < kPieces)
          q[b][r] = *reinterpret_cast<const uint4*>(from + 32 * b + 8 * t);
      }
    }
    const std::byte* keys = HeadAt(args.cache, item.sequence, block, kv_head);
    const std::byte* values = HeadAt(args.cache, item.sequence, block, args.kv_heads + kv_head);
    float s[8][4] = {};
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
      const uint32_t token = 32 * (j / 4) + 8 * (g / 2) + 2 * (j % 4) + g % 2;
      const std::byte* row = keys + token * kDim * S::kBytes;
      typename S::Raw raw[kSteps];
#pragma unroll
      for (uint32_t b = 0; b < kSteps; ++b) {
        raw[b] = {};
        if (4 * b + t < kPieces) raw[b] = S::Load(row + (32 * b + 8 * t) * S::kBytes);
      }
#pragma unroll
      for (uint32_t b = 0; b < kSteps; ++b) {
        const uint4 k = S::Halves(raw[b]);
        Mma(s[j], q[b][0].x, q[b][1].x, q[b][0].y, q[b][1].y, k.x, k.y);
        Mma(s[j], q[b][0].z, q[b][1].z, q[b][0].w, q[b][1].w, k.z, k.w);
      }
    }
    // Scale, cap, mask. Scores are base-2 logarithms from here on.
    constexpr float kLog2e = 1.44269504F;
    uint32_t begin[2];
    uint32_t end[2];
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) Visible(g + 8 * r, &begin[r], &end[r]);
    const float* key_scales =
        reinterpret_cast<const float*>(keys + kBlockTokens * kDim * S::kBytes);
    const float* value_scales =
        reinterpret_cast<const float*>(values + kBlockTokens * kDim * S::kBytes);
    m[0] = m[1] = -INFINITY;
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t token = 32 * (j / 4) + 8 * t + 2 * (j % 4) + i % 2;
        float v = s[j][i] * args.scale;
        if constexpr (kScaled) v *= key_scales[token];
        if (args.softcap > 0) v = args.softcap * tanhf(v / args.softcap);
        const uint32_t at = block * kBlockTokens + token;
        const uint32_t r = i / 2;
        s[j][i] = at >= begin[r] && at < end[r] ? v * kLog2e : -INFINITY;
        m[r] = fmaxf(m[r], s[j][i]);
      }
    }
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      m[r] = fmaxf(m[r], __shfl_xor_sync(0xffffffffU, m[r], 1));
      m[r] = fmaxf(m[r], __shfl_xor_sync(0xffffffffU, m[r], 2));
      l[r] = 0;
    }
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        s[j][i] = Shrink(s[j][i], m[i / 2]);
        l[i / 2] += s[j][i];
        if constexpr (kScaled) {
          const uint32_t token = 32 * (j / 4) + 8 * t + 2 * (j % 4) + i % 2;
          // What this request has not written is another's, and may be no number.
          if (s[j][i] != 0) s[j][i] *= value_scales[token];
        }
      }
    }
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      l[r] += __shfl_xor_sync(0xffffffffU, l[r], 1);
      l[r] += __shfl_xor_sync(0xffffffffU, l[r], 2);
    }
    uint32_t p[8][2];
#pragma unroll
    for (uint32_t j = 0; j < 8; ++j) {
      p[j][0] = AsWord(__floats2half2_rn(s[j][0], s[j][1]));
      p[j][1] = AsWord(__floats2half2_rn(s[j][2], s[j][3]));
    }
    // 0 times a number that is not one is not 0: positions that nobody sees must not reach the product.
    const uint32_t seen = End() - min(End(), block * kBlockTokens);
#pragma unroll
    for (uint32_t c = 0; c < kPieces; ++c) {
      float o[4] = {};
      const std::byte* row = values + (8 * c + g) * kBlockTokens * S::kBytes;
      typename S::Raw raw[2];
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) raw[h] = S::Load(row + (32 * h + 8 * t) * S::kBytes);
#pragma unroll
      for (uint32_t h = 0; h < 2; ++h) {
        uint4 v = S::Halves(raw[h]);
        if (seen < kBlockTokens && kCodec == CodecId::kF16) v = Keep(v, seen, 32 * h + 8 * t);
        Mma(o, p[4 * h][0], p[4 * h][1], p[4 * h + 1][0], p[4 * h + 1][1], v.x, v.y);
        Mma(o, p[4 * h + 2][0], p[4 * h + 2][1], p[4 * h + 3][0], p[4 * h + 3][1], v.z, v.w);
      }
      store(c, o);
    }
  }

  // One past the last position that any vector of the item sees.
  __device__ uint32_t End() const { return args.row.position[Row(item.count - 1)] + 1; }
  __device__ static uint32_t KeepPair(uint32_t v, uint32_t seen, uint32_t token) {
    return token + 1 < seen ? v : token < seen ? v & 0xffffU : 0;
  }
  __device__ static uint4 Keep(uint4 v, uint32_t seen, uint32_t token) {
    return {KeepPair(v.x, seen, token), KeepPair(v.y, seen, token + 2),
            KeepPair(v.z, seen, token + 4), KeepPair(v.w, seen, token + 6)};
  }
};

// Shared memory of a unit with `count` vectors: of a chunk's blocks, then of all chunks so far, outputs, maxima, sums.
constexpr uint32_t AttendFloats(uint32_t count, uint32_t dim) {
  return (kChunkBlocks + 1) * (count * dim + 32);
}

// One item and KV head by four warps; sync(): a barrier of theirs. query(n): vector n's channels. last: a word of theirs.
template <CodecId kCodec, uint32_t kDim, typename Query, typename Sync>
__device__ __forceinline__ void AttendUnit(const AttendArgs& args, const AttendItem& item,
                                           uint32_t kv_head, uint32_t thread, float* shared,
                                           uint32_t* last, Query query, Sync sync) {
  using A = Attention<kCodec, kDim>;
  const uint32_t warp = thread / 32;
  const uint32_t lane = thread % 32;
  const uint32_t g = lane / 4;
  const uint32_t t = lane % 4;
  const uint32_t count = item.count;
  const auto out = [&](uint32_t w, uint32_t n) { return shared + (w * count + n) * kDim; };
  float* maxes = shared + (kChunkBlocks + 1) * count * kDim;  // [kChunkBlocks + 1][16]
  float* sums = maxes + (kChunkBlocks + 1) * 16;
  const auto of_block = [&](uint32_t w, uint32_t n, uint32_t d) {
    return Merged{maxes[16 * w + n], sums[16 * w + n], d < kDim ? out(w, n)[d] : 0.F};
  };
  constexpr uint32_t kTotal = kChunkBlocks;
  const A attention = {args, item, kv_head, lane, g, t};
  const uint32_t end = item.block + item.blocks;
  for (uint32_t first = item.block; first < end;) {
    const uint32_t next = min(end, (first / kChunkBlocks + 1) * kChunkBlocks);
    const uint32_t blocks = next - first;
    if (warp < blocks) {
      float m[2];
      float l[2];
      attention.Block(first + warp, query, m, l, [&](uint32_t c, const float(&o)[4]) {
#pragma unroll
        for (uint32_t r = 0; r < 2; ++r) {
          if (g + 8 * r < count)
            *reinterpret_cast<float2*>(out(warp, g + 8 * r) + 8 * c + 2 * t) = {o[2 * r],
                                                                                o[2 * r + 1]};
        }
      });
#pragma unroll
      for (uint32_t r = 0; r < 2; ++r) {
        if (t == 0) {
          maxes[16 * warp + g + 8 * r] = m[r];
          sums[16 * warp + g + 8 * r] = l[r];
        }
      }
    }
    sync();
    const auto merged = [&](uint32_t n, uint32_t d) {
      Merged v = of_block(0, n, d);
      for (uint32_t w = 1; w < blocks; ++w) {
        const Merged other = of_block(w, n, d);
        v.Add(other.max, other.sum, other.out);
      }
      if (first == item.block) return v;
      Merged all = of_block(kTotal, n, d);
      all.Add(v.max, v.sum, v.out);
      return all;
    };
    Merged of_vector = {};  // `thread`'s
    for (uint32_t i = thread; i < count * kDim; i += kAttendThreads)
      out(kTotal, i / kDim)[i % kDim] = merged(i / kDim, i % kDim).out;
    if (thread < count) of_vector = merged(thread, kDim);
    sync();
    if (thread < count) {
      maxes[16 * kTotal + thread] = of_vector.max;
      sums[16 * kTotal + thread] = of_vector.sum;
    }
    first = next;
  }
  sync();
  const auto store = [&](uint32_t n, uint32_t d, float sum, float value) {
    if (d >= args.head_dim) return;
    __half* to = reinterpret_cast<__half*>(args.out) + uint64_t{attention.Row(n)} * args.ld_out +
                 attention.Head(n) * args.head_dim + d;
    *to = Saturated(value / sum);
  };
  if (item.chunks == 1) {
    for (uint32_t i = thread; i < count * kDim; i += kAttendThreads)
      store(i / kDim, i % kDim, sums[16 * kTotal + i / kDim], out(kTotal, i / kDim)[i % kDim]);
    return;
  }
  // A partial: outputs of `count` vectors, their maxima, their sums.
  const auto partial = [&](uint32_t chunk) {
    const uint64_t vectors =
        uint64_t{item.partial + chunk * count} * args.kv_heads + kv_head * count;
    return args.partials + vectors * (kDim + 2);
  };
  float* mine = partial(item.chunk);
  for (uint32_t i = thread; i < count * kDim; i += kAttendThreads)
    mine[i] = out(kTotal, i / kDim)[i % kDim];
  if (thread < count) {
    mine[count * kDim + thread] = maxes[16 * kTotal + thread];
    mine[count * (kDim + 1) + thread] = sums[16 * kTotal + thread];
  }
  __threadfence();
  sync();
  uint32_t* counter = args.counters + item.tile * args.kv_heads + kv_head;
  if (thread == 0) {
    *last = atomicAdd(counter, 1) == item.chunks - 1 ? 1 : 0;
    if (*last != 0) *counter = 0;
  }
  sync();
  if (*last == 0) return;
  __threadfence();
  for (uint32_t i = thread; i < count * kDim; i += kAttendThreads) {
    const uint32_t n = i / kDim;
    Merged v = {};
    for (uint32_t c = 0; c < item.chunks; ++c) {
      const float* from = partial(c);
      const float m = __ldcg(from + count * kDim + n);
      const float l = __ldcg(from + count * (kDim + 1) + n);
      const float o = __ldcg(from + i);
      if (c == 0) {
        v = {m, l, o};
      } else {
        v.Add(m, l, o);
      }
    }
    store(n, i % kDim, v.sum, v.out);
  }
}

template <CodecId kCodec, uint32_t kDim>
__global__ void __launch_bounds__(kAttendThreads, 2)
    AttendKernel(const __grid_constant__ AttendArgs args) {
  extern __shared__ __align__(16) float shared[];
  __shared__ uint32_t last;
  LetNextStart();
  WaitForPrevious();
  if (blockIdx.x >= *args.item_count) return;
  const AttendItem item = args.items[blockIdx.x];
  const uint32_t kv_head = blockIdx.y;
  const Attention<kCodec, kDim> of = {args, item, kv_head, 0, 0, 0};
  AttendUnit<kCodec, kDim>(
      args, item, kv_head, threadIdx.x, shared, &last,
      [&](uint32_t n) { return args.q + uint64_t{of.Row(n)} * args.ldq + of.Head(n) * kDim; },
      [] { __syncthreads(); });
}

template <CodecId kCodec, uint32_t kDim>
void LaunchAttend(Launcher& l, const AttendArgs& args) {
  Launch(l, AttendKernel<kCodec, kDim>, dim3(args.grid_items, args.kv_heads), kAttendThreads,
         AttendFloats(16, kDim) * sizeof(float), args);
}

using AttendLaunch = void (*)(Launcher&, const AttendArgs&);

}  // namespace wring::cuda
