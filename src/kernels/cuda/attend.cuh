// attend(q, segments) for one codec and padded head size a source file, for up to 16 query vectors of one KV head an item,
// on tensor cores. A block of threads goes over the chunks of its item; each of its four warps computes one of a chunk's
// four pieces on its own, from a ring in shared memory that nobody else uses, so that copies never wait for another warp.
// Then all fold the chunk (attend_fold.cuh). Where an item is only a part of its vectors' positions, the one that has the
// last of them folds all parts.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cuda/attend_fold.cuh"
#include "kernels/cuda/attend_inputs.cuh"
#include "kernels/cuda/launch.h"

namespace wring::cuda {

template <uint32_t n>
using Number = std::integral_constant<uint32_t, n>;

// The state of folding, a few channels of a vector a thread. kShort: of contexts so short that code costs more than memory.
template <uint32_t kDim, uint32_t kVectors, bool kShort>
struct Folding {
  static constexpr uint32_t kUnits = (kVectors * kDim / 4 + kAttendThreads - 1) / kAttendThreads;
  Partial span[kUnits], whole[kUnits];

  // each(unit, vector, quarter of 16 bytes) of this thread.
  template <typename Each>
  __device__ static __forceinline__ void ForUnits(uint32_t count, Each each) {
#pragma unroll(kShort ? 1 : kUnits)
    for (uint32_t k = 0; k < kUnits; ++k) {
      const uint32_t u = threadIdx.x + k * kAttendThreads;
      if (u < count * (kDim / 4)) each(k, u / (kDim / 4), u % (kDim / 4));
    }
  }
};

template <typename A, uint32_t kDim>
__device__ __forceinline__ void StoreOutputs(const A& a, uint32_t n, uint32_t c, const Partial& p) {
  __half* to = reinterpret_cast<__half*>(a.args.out) + uint64_t{a.Row(n)} * a.args.ld_out +
               a.Head(n) * a.args.head_dim;
  const float out[4] = {p.out.x, p.out.y, p.out.z, p.out.w};
  const float inverse = 1 / p.sum;
#pragma unroll
  for (uint32_t x = 0; x < 4; ++x) {
    if (4 * c + x < a.args.head_dim) to[4 * c + x] = Saturated(out[x] * inverse);
  }
}

// How the parts of an item's tile become the whole; parts that are spans are folded at once.
struct PartsShape {
  uint32_t span_parts, before;
  __device__ __forceinline__ explicit PartsShape(const AttendItem& item)
      : span_parts(item.unit == kSpanBlocks ? item.parts : kSpanBlocks / item.unit),
        before(item.unit == kSpanBlocks ? 0 : item.origin / item.unit % span_parts) {}
  __device__ __forceinline__ bool IsOneSpan(uint32_t parts) const {
    return before + parts <= span_parts;
  }
};

// The position that a launch writes on its way, where its block was asked for before: `position` of a sequence, its key and its
// value [2][kDim]. kNone: there is none.
struct Fresh {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t position;
  const uint16_t* halves;
};

// One item and KV head by a block of threads. ring: kRingBytes; shared: memory for queries, then for what warps leave of
// their pieces. prepare() puts the queries there; blocks before `known` may be asked for before that. few: the next launch
// starts when this item's chunks are done, not before.
template <CodecId kCodec, uint32_t kDim, uint32_t kVectors, uint32_t kTokens, typename Prepare>
__device__ __forceinline__ void AttendUnit(const AttendArgs& args, const AttendItem& item,
                                           uint32_t kv_head, uint8_t* ring, uint8_t* shared,
                                           uint32_t known, const Fresh& fresh, bool few,
                                           Prepare prepare) {
  using A = Attention<kCodec, kDim, kVectors, kTokens>;
  using F = Folding<kDim, kVectors, (kTokens < kBlockTokens)>;
  const A a = {args, item, kv_head};
  const ChunkPieces<kDim> left(shared, item.count);
  uint8_t* stages = ring + a.warp() * (A::kStages * A::kStageBytes);
  constexpr uint32_t kChunk = kAttendWarps / A::kPieces;  // blocks
  constexpr uint32_t kChunks = kSpanBlocks / kChunk;      // of a span
  const uint32_t first_chunk = item.block / kChunk;
  const uint32_t last_chunk = (item.block + item.blocks - 1) / kChunk;
  const uint32_t units = item.unit / kChunk;  // chunks a part
  const uint32_t own_parts = last_chunk / units - first_chunk / units + 1;
  const PartsShape shape(item);
  const bool folds = item.parts > 1 && item.part + own_parts == item.parts;
  // Whether its part stays here, until those before it have come.
  const bool keeps = folds && own_parts == 1 && shape.IsOneSpan(item.parts);
  const Parts<kDim> parts = {
      args.partials + (uint64_t{item.partial} * args.kv_heads + uint64_t{kv_head} * item.count) *
                          Parts<kDim>::kFloats,
      uint64_t{item.count} * args.kv_heads * Parts<kDim>::kFloats};

  // Every vector sees positions from most_begin to sees_all; pieces outside of what any of them sees are left out.
  const uint32_t sees_all = a.End(0);
  const uint32_t all_end = a.End(item.count - 1);
  const uint32_t most_begin = a.Begin(all_end);
  const uint32_t first_piece = max(A::kPieces * item.block, a.Begin(sees_all) / kTokens);
  const uint32_t end_piece =
      min(A::kPieces * (item.block + item.blocks), (all_end + kTokens - 1) / kTokens);
  const auto has = [&](uint32_t piece) { return piece >= first_piece && piece < end_piece; };
  // Where the keys of the block of this warp's piece stand, and those of its next one; null: there is none.
  const auto keys_of = [&](uint32_t piece) {
    return has(piece) ? a.Keys(piece / A::kPieces) : nullptr;
  };
  uint32_t piece = kAttendWarps * first_chunk + a.warp();
  const uint32_t part = piece % A::kPieces;
  std::byte* keys = keys_of(piece);
  // Stage j of this piece, or j - 4 of the next.
  std::byte* next = nullptr;
  const auto ask = [&](auto number) {
    constexpr uint32_t j = decltype(number)::value;
    const std::byte* from = j < 4 ? keys : next;
    if (from != nullptr)
      a.template Fill<j % 4>(stages + j % A::kStages * A::kStageBytes, from, part,
                             A::Seen(j < 4 ? piece : piece + kAttendWarps, all_end));
    CommitCopies();
  };
  const auto begin = [&] {
    ask(Number<0>());
    ask(Number<1>());
    if constexpr (A::kStages == 4) {
      ask(Number<2>());
      ask(Number<3>());
    }
  };
  const uint32_t asks_first = piece / A::kPieces < known ? 0 : 1;
#pragma unroll 1
  for (uint32_t i = 0; i < 2; ++i) {
    if (i == asks_first) begin();
    if (i == 0) prepare();
  }
  typename A::Queries queries;
  a.LoadQueries(shared, &queries);

  F fold;
  for (uint32_t chunk = first_chunk; chunk <= last_chunk; ++chunk, piece += kAttendWarps) {
    next = keys_of(piece + kAttendWarps);
    const bool mine = keys != nullptr;
    typename A::Piece b;
    b.first = piece * kTokens;
    b.whole = b.first >= most_begin && b.first + kTokens <= sees_all;
    b.seen = A::Seen(piece, all_end);
    b.end = sees_all == all_end ? all_end : 0;
    const auto stage = [&](auto number, auto consume) {
      constexpr uint32_t j = decltype(number)::value;
      WaitCopies<A::kStages - 1>();
      __syncwarp();
      if (mine) consume(stages + j % A::kStages * A::kStageBytes);
      __syncwarp();
      ask(Number<j + A::kStages>());
    };
    float* out = left.outs + (a.warp() * item.count + 2 * a.t()) * left.kPitch + a.g();
    const auto store = [&](uint32_t n, uint32_t tile, const float(&o)[4]) {
#pragma unroll
      for (uint32_t v = 0; v < 2; ++v) {
        if (8 * n + 2 * a.t() + v >= item.count) continue;
        float* to = out + (8 * n + v) * left.kPitch + 16 * tile;
        to[0] = o[v];
        to[8] = o[2 + v];
      }
    };
    if constexpr (kCodec == CodecId::kF16) {
      const uint32_t at = fresh.position - b.first;
      if (at < kTokens) {
        WaitCopies<0>();
        __syncwarp();
        a.Renew(stages, at, part, keys, fresh.halves);
      }
    }
    stage(Number<0>(), [&](uint8_t* from) { a.template Scores<0>(queries, from, &b); });
    stage(Number<1>(), [&](uint8_t* from) { a.template Scores<1>(queries, from, &b); });
    float most[A::kGroups][2];
    float sum[A::kGroups][2];
    if (mine) a.Weigh(&b, most, sum);
    __syncthreads();  // the chunk before has been folded
    if (mine && a.g() == 0) {
#pragma unroll
      for (uint32_t n = 0; n < 2 * A::kGroups; ++n) {
        const uint32_t vector = 8 * (n / 2) + 2 * a.t() + n % 2;
        if (vector >= item.count) continue;
        left.maxes[a.warp() * item.count + vector] = most[n / 2][n % 2];
        left.sums[a.warp() * item.count + vector] = sum[n / 2][n % 2];
      }
    }
    stage(Number<2>(), [&](uint8_t* from) { a.template Outputs<0>(b, from, store); });
    stage(Number<3>(), [&](uint8_t* from) { a.template Outputs<1>(b, from, store); });
    keys = next;
    __syncthreads();
    const bool ends = (chunk + 1) % kChunks == 0 || chunk == last_chunk;  // a span
    const bool begins = chunk % kChunks == 0 || chunk == first_chunk;
    F::ForUnits(item.count, [&](uint32_t k, uint32_t n, uint32_t c) {
      const Partial x = left.Fold(n, c, [&](uint32_t w) { return has(kAttendWarps * chunk + w); });
      if (item.parts > 1 && item.unit == kChunk && !keeps) {
        return parts.Store(item.part + chunk - first_chunk, n, c, x);
      }
      if (begins) {
        fold.span[k] = x;
      } else {
        fold.span[k].Add(x);
      }
      if (!ends || keeps) return;
      if (item.parts > 1) {
        parts.Store(item.part + chunk / kChunks - first_chunk / kChunks, n, c, fold.span[k]);
      } else {
        fold.whole[k].Add(fold.span[k]);
      }
    });
  }
  if (few) LetNextStart();
  if (folds && !keeps) {
    FoldParts<kDim>(parts, item.count, item.parts, shape.span_parts, shape.before, ring,
                    [&](uint32_t n, uint32_t c, const Partial& whole) {
                      StoreOutputs<A, kDim>(a, n, c, whole);
                    });
  }
  if (item.parts > 1 && !keeps) return;
  F::ForUnits(item.count, [&](uint32_t k, uint32_t n, uint32_t c) {
    Partial whole = fold.whole[k];
    if (keeps) {
      whole = parts.Fold(0, item.parts - 1, n, c);
      whole.Add(fold.span[k]);
    }
    StoreOutputs<A, kDim>(a, n, c, whole);
  });
}

// Shared memory beside the ring: the key and the value that are written, then queries and a vector a warp, later what is left
// of pieces.
template <uint32_t kDim>
constexpr uint32_t AttendShared(uint32_t count) {
  const uint32_t queries = count * QueryPitch(kDim) * 2 + kAttendWarps * kDim * sizeof(float);
  return 4 * kDim + std::max<uint32_t>(queries, ChunkPieces<kDim>::Bytes(count));
}
template <CodecId kCodec, uint32_t kDim, uint32_t kVectors, uint32_t kTokens>
constexpr uint32_t AttendMemory(uint32_t count) {
  return Attention<kCodec, kDim, kVectors, kTokens>::kRingBytes + AttendShared<kDim>(count);
}
template <CodecId kCodec, uint32_t kDim>
constexpr uint32_t AttendMost() {
  return AttendMemory<kCodec, kDim, AttendVectors(kDim), kBlockTokens>(AttendVectors(kDim));
}

// A launch of fewer blocks lets the next one start late: that would find room everywhere at once, and its weights would come
// before this one's keys and values.
constexpr uint32_t kFewBlocks = 64;

// Blocks of threads that a multiprocessor should have room for.
constexpr int AttendResident(uint32_t vectors, uint32_t dim) {
  return vectors * dim <= 1024 ? 3 : 1;
}

// fused: with the cache write of `append`, and queries from there. What does not depend on the launch before this one is
// asked for before that has ended: tables, and positions that no row of the step writes.
template <CodecId kCodec, uint32_t kDim, uint32_t kVectors, uint32_t kTokens>
__global__ void __launch_bounds__(kAttendThreads, AttendResident(kVectors, kDim))
    AttendKernel(const __grid_constant__ AttendArgs args, const __grid_constant__ AppendArgs append,
                 bool fused) {
  extern __shared__ __align__(128) uint8_t attend_shared[];
  const bool few = gridDim.x * gridDim.y < kFewBlocks;
  if (!few) LetNextStart();
  if (blockIdx.x >= *args.item_count) return WaitForPrevious();
  const AttendItem item = args.items[blockIdx.x];
  const uint32_t kv_head = blockIdx.y;
  using A = Attention<kCodec, kDim, kVectors, kTokens>;
  const A a = {args, item, kv_head};
  auto* fresh = reinterpret_cast<__half*>(attend_shared + A::kRingBytes);
  uint8_t* shared = attend_shared + A::kRingBytes + 4 * kDim;
  // One row: its block, too, is asked for before, and what it writes is put there where it is used.
  const bool renews = kCodec == CodecId::kF16 && fused && item.rows == 1;
  const uint32_t first_position = args.row.position[item.first_row];
  const AttendInputs<kCodec, kDim, A> inputs = {a,      append, reinterpret_cast<__half*>(shared),
                                                renews, fresh,  first_position};
  const uint32_t known = renews ? UINT32_MAX : fused ? first_position / kBlockTokens : 0;
  const auto prepare = [&] {
    WaitForPrevious();
    if (fused) {
      inputs.AppendAndTurn();
    } else {
      inputs.Copy();
    }
    __syncthreads();
  };
  AttendUnit<kCodec, kDim, kVectors, kTokens>(
      args, item, kv_head, attend_shared, shared, known,
      {renews ? first_position : Fresh::kNone, reinterpret_cast<const uint16_t*>(fresh)}, few,
      prepare);
}

template <CodecId kCodec, uint32_t kDim>
void LaunchAttend(Launcher& l, AttendArgs args, const AppendArgs* append) {
  args.group = args.heads / args.kv_heads;
  args.inverse_group = ((1U << 31) + args.group - 1) / args.group;
  const auto launch = [&](auto kernel, uint32_t memory) {
    Launch(l, kernel, dim3(args.grid_items, args.kv_heads), kAttendThreads, memory, args,
           append != nullptr ? *append : AppendArgs{}, append != nullptr);
  };
  const auto launch_of = [&](auto tokens) {
    constexpr uint32_t kTokens = decltype(tokens)::value;
    if constexpr (AttendVectors(kDim) > 8) {
      if (args.most > 8) {
        return launch(AttendKernel<kCodec, kDim, 16, kTokens>,
                      AttendMemory<kCodec, kDim, 16, kTokens>(args.most));
      }
    }
    launch(AttendKernel<kCodec, kDim, 8, kTokens>,
           AttendMemory<kCodec, kDim, 8, kTokens>(args.most));
  };
  args.chunk_blocks == kChunkBlocks ? launch_of(Number<kBlockTokens>())
                                    : launch_of(Number<kBlockTokens / 2>());
}

using AttendLaunch = void (*)(Launcher&, AttendArgs, const AppendArgs*);

}  // namespace wring::cuda
