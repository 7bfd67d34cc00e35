// Attention of many query vectors with the bits of attend.cuh: an item is up to kManyVectors vectors of one KV head over all
// blocks that they see. Its four warps have 16 vectors each and share keys and values, where those of attend.cuh have 16
// together and a block of positions each: a quarter of the bytes come to the multiprocessor. What is summed in which order is
// the same: a block by one warp, the blocks of a chunk by their common maximum, chunks to spans, spans to the whole
// (attend_fold.cuh), so outputs of a chunk wait until all its scores are there.
#pragma once

#include "kernels/cuda/attend_fold.cuh"
#include "kernels/cuda/launch.h"

namespace wring::cuda {

constexpr uint32_t kManyGroups = 2;  // of 8 vectors
// Maximum and sum over some positions for four vectors of a lane.
struct ManySums {
  float max[kManyGroups][2];
  float sum[kManyGroups][2];
};

template <uint32_t kDim>
struct AttendManyOf {
  using A = Attention<CodecId::kF16, kDim, 8 * kManyGroups, kBlockTokens>;
  using S = typename A::S;
  static constexpr uint32_t kSlots = 2;  // of keys
  static constexpr uint32_t kKeyBytes = kBlockTokens * A::kKeyPitch;
  static constexpr uint32_t kValueBytes = kDim * A::kValuePitch;
  static constexpr uint32_t kValuesAt = kSlots * kKeyBytes;
  static constexpr uint32_t kShared = kValuesAt + kChunkBlocks * kValueBytes;
  static constexpr uint32_t kSteps = A::kSteps;
  // The order in which copies are waited for.
  static_assert(kSlots == 2 && kChunkBlocks == 4);
  static_assert(kDim * 8 % kAttendThreads == 0 && kBlockTokens * kDim / 8 % kAttendThreads == 0);
  static_assert(kManyVectors == kAttendWarps * 8 * kManyGroups);
  static_assert(kManyVectors * QueryPitch(kDim) * 2 <= kChunkBlocks * kValueBytes);
  using Outs = float[kSteps][kManyGroups][4];

  // Of a block, as far as it has `seen` tokens, by all threads.
  __device__ static __forceinline__ void FillKeys(uint8_t* to, const std::byte* from,
                                                  uint32_t seen) {
    constexpr uint32_t kPieces = kDim / 8;
    const uint32_t at = SharedAddress(to);
#pragma unroll
    for (uint32_t i = 0; i < kBlockTokens * kPieces; i += kAttendThreads) {
      const uint32_t row = (i + threadIdx.x) / kPieces;
      const uint32_t piece = (i + threadIdx.x) % kPieces;
      if (row < seen)
        CopyAsync16(at + S::At(row, piece, A::kKeyPitch), from + row * kDim * 2 + 16 * piece);
    }
  }
  __device__ static __forceinline__ void FillValues(uint8_t* to, const std::byte* from,
                                                    uint32_t seen) {
    constexpr uint32_t kPieces = kBlockTokens / 8;
    const uint32_t at = SharedAddress(to);
#pragma unroll
    for (uint32_t i = 0; i < kDim * kPieces; i += kAttendThreads) {
      const uint32_t row = (i + threadIdx.x) / kPieces;
      const uint32_t piece = (i + threadIdx.x) % kPieces;
      if (8 * piece < seen)
        CopyAsync16(at + S::At(row, piece, A::kValuePitch),
                    from + row * kBlockTokens * 2 + 16 * piece);
    }
  }

  // As Partial::Add() for every channel of a lane.
  __device__ static __forceinline__ void AddOuts(const ManySums& p, const Outs& outs,
                                                 ManySums* whole, Outs* whole_outs) {
    float mine[kManyGroups][2], other[kManyGroups][2];
    Shrinks(p, whole, &mine, &other);
#pragma unroll
    for (uint32_t j = 0; j < kSteps; ++j) Join(mine, other, outs[j], &(*whole_outs)[j]);
  }
  using Factors = float[kManyGroups][2];
  __device__ static __forceinline__ void Shrinks(const ManySums& p, ManySums* whole, Factors* mine,
                                                 Factors* other) {
#pragma unroll
    for (uint32_t n = 0; n < kManyGroups; ++n) {
#pragma unroll
      for (uint32_t v = 0; v < 2; ++v) {
        const float most = fmaxf(whole->max[n][v], p.max[n][v]);
        (*mine)[n][v] = Shrink(whole->max[n][v], most);
        (*other)[n][v] = Shrink(p.max[n][v], most);
        whole->sum[n][v] = __fmaf_rn(whole->sum[n][v], (*mine)[n][v], p.sum[n][v] * (*other)[n][v]);
        whole->max[n][v] = most;
      }
    }
  }
  __device__ static __forceinline__ void Join(const Factors& mine, const Factors& other,
                                              const float (&from)[kManyGroups][4],
                                              float (*to)[kManyGroups][4]) {
#pragma unroll
    for (uint32_t n = 0; n < kManyGroups; ++n) {
#pragma unroll
      for (uint32_t x = 0; x < 4; ++x)
        (*to)[n][x] = __fmaf_rn((*to)[n][x], mine[n][x % 2], from[n][x] * other[n][x % 2]);
    }
  }
  __device__ static __forceinline__ void Clear(ManySums* sums, Outs* outs) {
#pragma unroll
    for (uint32_t n = 0; n < kManyGroups; ++n) {
      sums->max[n][0] = sums->max[n][1] = -INFINITY;
      sums->sum[n][0] = sums->sum[n][1] = 0;
#pragma unroll
      for (uint32_t j = 0; j < kSteps; ++j)
        (*outs)[j][n][0] = (*outs)[j][n][1] = (*outs)[j][n][2] = (*outs)[j][n][3] = 0;
    }
  }
};

template <uint32_t kDim>
__global__ void __launch_bounds__(kAttendThreads, 2)
    AttendManyKernel(const __grid_constant__ AttendArgs args) {
  using M = AttendManyOf<kDim>;
  using A = typename M::A;
  extern __shared__ __align__(128) uint8_t attend_shared[];
  LetNextStart();
  const AttendItem item = args.items[blockIdx.x];
  const uint32_t kv_head = blockIdx.y;
  const A all = {args, item, kv_head};
  const uint32_t warp = A::warp();
  AttendItem of_warp = item;
  of_warp.first += 16 * warp;
  of_warp.count = item.count - min(item.count, 16 * warp);
  of_warp.count = min(of_warp.count, 16U);
  const A a = {args, of_warp, kv_head};
  WaitForPrevious();

  uint8_t* const values = attend_shared + M::kValuesAt;
  {
    constexpr uint32_t kPieces = kDim / 8;
    auto* queries = reinterpret_cast<__half*>(values);
    for (uint32_t i = threadIdx.x; i < item.count * kPieces; i += kAttendThreads) {
      const uint32_t n = i / kPieces;
      const uint32_t channel = i % kPieces * 8;
      const Half* q = args.q + uint64_t{all.Row(n)} * args.ldq + all.Head(n) * kDim;
      *reinterpret_cast<uint4*>(queries + n * QueryPitch(kDim) + channel) =
          *reinterpret_cast<const uint4*>(q + channel);
    }
  }
  // Blocks that any vector of the item sees, and that any of the warp sees.
  const uint32_t end = all.End(item.count - 1);
  const uint32_t first_block = max(item.block, all.Begin(all.End(0)) / kBlockTokens);
  const uint32_t end_block = (end + kBlockTokens - 1) / kBlockTokens;
  const bool works = of_warp.count > 0;
  const uint32_t sees_all = works ? a.End(0) : 0;
  const uint32_t my_end = works ? a.End(of_warp.count - 1) : 0;
  const uint32_t most_begin = a.Begin(my_end);
  const uint32_t my_first = a.Begin(sees_all) / kBlockTokens;
  const uint32_t my_end_block = (my_end + kBlockTokens - 1) / kBlockTokens;
  // Where the keys of a chunk's blocks stand: of block lane % 4 in each lane, asked for a chunk ahead.
  const uint32_t lane = A::lane();
  const auto places_of = [&](uint32_t chunk) {
    const uint32_t block = kChunkBlocks * chunk + lane % kChunkBlocks;
    return all.Keys(min(max(block, first_block), end_block - 1));
  };
  const auto place = [&](const std::byte* places, uint32_t w) {
    return reinterpret_cast<const std::byte*>(
        __shfl_sync(0xffffffffU, reinterpret_cast<uint64_t>(places), static_cast<int>(w)));
  };
  const auto ask_keys = [&](const std::byte* places, uint32_t chunk, uint32_t w) {
    const uint32_t block = kChunkBlocks * chunk + w;
    const std::byte* keys = place(places, w);
    if (block >= first_block && block < end_block)
      M::FillKeys(attend_shared + w % M::kSlots * M::kKeyBytes, keys, A::Seen(block, end));
    CommitCopies();
  };
  const auto ask_values = [&](const std::byte* places, uint32_t chunk) {
#pragma unroll 1
    for (uint32_t w = 0; w < kChunkBlocks; ++w) {
      const uint32_t block = kChunkBlocks * chunk + w;
      const std::byte* keys = place(places, w);
      if (block >= first_block && block < end_block)
        M::FillValues(values + w * M::kValueBytes,
                      keys + args.cache.kv_heads * args.cache.head_bytes, A::Seen(block, end));
    }
    CommitCopies();
  };

  uint32_t chunk = first_block / kChunkBlocks;
  const uint32_t last_chunk = (end_block - 1) / kChunkBlocks;
  const std::byte* next = places_of(chunk);
  ask_keys(next, chunk, 0);
  ask_keys(next, chunk, 1);
  __syncthreads();
  typename A::Queries queries;
  a.LoadQueries(values + 16 * warp * QueryPitch(kDim) * 2, &queries);
  __syncthreads();
  ask_values(next, chunk);

  ManySums span_sums, whole_sums;
  typename M::Outs span, whole;  // the latter in local memory: it is used once a span
  M::Clear(&span_sums, &span);
  M::Clear(&whole_sums, &whole);
#pragma unroll 1
  for (; chunk <= last_chunk; ++chunk) {
    const std::byte* const here = next;
    next = places_of(chunk + 1);
    uint32_t p[kChunkBlocks][A::kTokenTiles][kManyGroups][2];
    float most[kChunkBlocks][kManyGroups][2];
    float sum[kChunkBlocks][kManyGroups][2];
    const auto has = [&](uint32_t w) {
      const uint32_t block = kChunkBlocks * chunk + w;
      return block >= my_first && block < my_end_block;
    };
#pragma unroll
    for (uint32_t w = 0; w < kChunkBlocks; ++w) {
      // Behind these keys were asked for: others and values, then others alone.
      if (w < 2) WaitCopies<2>();
      if (w >= 2) WaitCopies<1>();
      __syncthreads();
      if (has(w)) {
        typename A::Piece b;
        const uint32_t block = kChunkBlocks * chunk + w;
        uint8_t* keys = attend_shared + w % M::kSlots * M::kKeyBytes;
        b.first = block * kBlockTokens;
        b.whole = b.first >= most_begin && b.first + kBlockTokens <= sees_all;
        b.seen = A::Seen(block, end);
        a.template Scores<0>(queries, keys, &b);
        a.template Scores<1>(queries, keys + A::kHalfTokens * A::kKeyPitch, &b);
        a.Weigh(&b, most[w], sum[w]);
#pragma unroll
        for (uint32_t i = 0; i < A::kTokenTiles; ++i) {
#pragma unroll
          for (uint32_t n = 0; n < kManyGroups; ++n) {
            p[w][i][n][0] = b.p[i][n][0];
            p[w][i][n][1] = b.p[i][n][1];
          }
        }
      }
      __syncthreads();
      constexpr uint32_t kLast = kChunkBlocks - M::kSlots;
      w < kLast ? ask_keys(here, chunk, w + M::kSlots) : ask_keys(next, chunk + 1, w - kLast);
    }
    // The values came before the third keys, which were waited for. Of a block that is not full the rest may be no numbers, which times 0 is none.
    if (chunk == last_chunk && end % kBlockTokens != 0) {
      if (warp == 0)
        all.ClearUnseen(values + (end_block - 1) % kChunkBlocks * M::kValueBytes, kDim,
                        end % kBlockTokens);
      __syncthreads();
    }
    ManySums x;
    float f[kChunkBlocks][kManyGroups][2];
#pragma unroll
    for (uint32_t n = 0; n < kManyGroups; ++n) {
#pragma unroll
      for (uint32_t v = 0; v < 2; ++v) {
        x.max[n][v] = -INFINITY;
        x.sum[n][v] = 0;
#pragma unroll
        for (uint32_t w = 0; w < kChunkBlocks; ++w) {
          if (has(w)) x.max[n][v] = fmaxf(x.max[n][v], most[w][n][v]);
        }
#pragma unroll
        for (uint32_t w = 0; w < kChunkBlocks; ++w) {
          if (!has(w)) continue;
          f[w][n][v] = Shrink(most[w][n][v], x.max[n][v]);
          x.sum[n][v] = __fmaf_rn(sum[w][n][v], f[w][n][v], x.sum[n][v]);
        }
      }
    }
    if (works) {
      typename M::Factors mine, other;
      M::Shrinks(x, &span_sums, &mine, &other);
      const uint32_t at = SharedAddress(values);
#pragma unroll
      for (uint32_t j = 0; j < M::kSteps; ++j) {
        float out[kManyGroups][4] = {};
#pragma unroll
        for (uint32_t w = 0; w < kChunkBlocks; ++w) {
          if (!has(w)) continue;
          float o[kManyGroups][4] = {};
          M::S::template ForSteps<A::kTokenTiles>(
              at + w * M::kValueBytes + 16 * j * A::kValuePitch, lane % 16, A::kValuePitch, lane,
              [&](uint32_t i, const uint32_t(&r)[4]) {
#pragma unroll
                for (uint32_t n = 0; n < kManyGroups; ++n)
                  Mma(o[n], r[0], r[1], r[2], r[3], p[w][i][n][0], p[w][i][n][1]);
              });
#pragma unroll
          for (uint32_t n = 0; n < kManyGroups; ++n) {
#pragma unroll
            for (uint32_t c = 0; c < 4; ++c)
              out[n][c] = __fmaf_rn(o[n][c], f[w][n][c % 2], out[n][c]);
          }
        }
        M::Join(mine, other, out, &span[j]);
      }
    }
    if ((chunk + 1) % (kSpanBlocks / kChunkBlocks) == 0 || chunk == last_chunk) {
      M::AddOuts(span_sums, span, &whole_sums, &whole);
      M::Clear(&span_sums, &span);
    }
    __syncthreads();
    ask_values(next, chunk + 1);
  }
  WaitCopies<0>();

#pragma unroll
  for (uint32_t n = 0; n < kManyGroups; ++n) {
#pragma unroll
    for (uint32_t v = 0; v < 2; ++v) {
      const uint32_t vector = 8 * n + 2 * A::t() + v;
      if (vector >= of_warp.count) continue;
      __half* to = reinterpret_cast<__half*>(args.out) + uint64_t{a.Row(vector)} * args.ld_out +
                   a.Head(vector) * args.head_dim;
      const float inverse = 1 / whole_sums.sum[n][v];
#pragma unroll
      for (uint32_t j = 0; j < M::kSteps; ++j) {
        const uint32_t channel = 16 * j + A::g();
        if (channel < args.head_dim) to[channel] = Saturated(whole[j][n][v] * inverse);
        if (channel + 8 < args.head_dim) to[channel + 8] = Saturated(whole[j][n][v + 2] * inverse);
      }
    }
  }
}

using AttendManyLaunch = void (*)(Launcher&, AttendArgs);

template <uint32_t kDim>
void LaunchAttendMany(Launcher& l, AttendArgs args) {
  args.group = args.heads / args.kv_heads;
  args.inverse_group = ((1U << 31) + args.group - 1) / args.group;
  Launch(l, AttendManyKernel<kDim>, dim3(args.grid_items, args.kv_heads), kAttendThreads,
         AttendManyOf<kDim>::kShared, args);
}

}  // namespace wring::cuda
