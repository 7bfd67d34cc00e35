// attend(q, segments) for one codec and padded head size a source file. Eight warps compute one block of 64 positions after
// the other, for up to 16 query vectors of one KV head, on tensor cores: for scores each warp has 8 of the positions, for
// outputs an eighth of the channels, and between the two they exchange maxima and weights. Blocks are merged to chunks of
// four and chunks to the whole, in order; where an item is only a part of that, who is last to finish merges them all.
//
// Keys [token][channel] and values [channel][token] are both copied as they lie, each byte once, by the warp that multiplies
// them: each warp has a ring of its own in shared memory and waits for nobody. They are read back as 16 contiguous bytes a
// lane.
#pragma once

#include "kernels/cuda/attend_merge.cuh"
#include "kernels/cuda/launch.h"

namespace wring::cuda {

// Where vector n's outputs go.
template <typename A>
__device__ __forceinline__ __half* OutputOf(const A& a, uint32_t n) {
  return reinterpret_cast<__half*>(a.args.out) + uint64_t{a.Row(n)} * a.args.ld_out +
         a.Head(n) * a.args.head_dim;
}

// A tile that several items share: this one's parts are stored; who is last merges all. ring: kRingBytes of memory.
template <typename A, uint32_t kDim, typename From>
__device__ __forceinline__ void FinishShared(const A& a, uint8_t* ring, const AttendShared& m,
                                             uint32_t* last, From partial) {
  const AttendItem& item = a.item;
  const uint32_t stop = item.block + item.blocks;
  __threadfence();
  __syncthreads();
  uint32_t* counter = a.args.counters + item.tile * a.args.kv_heads + a.kv_head;
  if (threadIdx.x == 0) {
    const uint32_t mine =
        item.of_chunks == 0 ? 1 : (stop - 1) / kChunkBlocks - item.block / kChunkBlocks + 1;
    *last = atomicAdd(counter, mine) + mine == item.parts ? 1 : 0;
    if (*last != 0) *counter = 0;
  }
  __syncthreads();
  if (*last == 0) return;
  __threadfence();
  const auto store = [&](uint32_t i, float value, float sum) {
    if (i % kDim < a.args.head_dim) OutputOf(a, i / kDim)[i % kDim] = Saturated(value / sum);
  };
  if (item.of_chunks != 0 && item.parts * item.count * sizeof(float2) <= A::kRingBytes) {
    MergeChunks<kDim>(item.parts, item.count, partial, reinterpret_cast<float2*>(ring), m.sums,
                      store);
  } else {
    MergeParts<kDim>(item, partial, store);
  }
}

// One item and KV head by a block of threads. `ring`: kRingBytes; `shared`: AttendBytes(item.count, kDim), where prepare()
// puts the queries; blocks before `known` may be asked for before that. last: a word.
template <CodecId kCodec, uint32_t kDim, typename Prepare>
__device__ __forceinline__ void AttendUnit(const AttendArgs& args, const AttendItem& item,
                                           uint32_t kv_head, uint8_t* ring, uint8_t* shared,
                                           uint32_t* last, uint32_t known, Prepare prepare) {
  using A = Attention<kCodec, kDim>;
  const A a = {args, item, kv_head, threadIdx.x};
  const AttendShared m(shared, item.count, kDim);
  uint8_t* stages = ring + a.warp() * (A::kStages * A::kStageBytes);
  uint32_t begin[2];
  uint32_t end[2];
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    end[r] = a.End(a.g() + 8 * r);
    begin[r] = args.window != 0 && end[r] > args.window ? end[r] - args.window : 0;
  }
  const uint32_t all_end = a.End(item.count - 1);

  // A partial: outputs of the vectors, their maxima, their sums.
  const auto partial = [&](uint32_t part) {
    const uint64_t vectors =
        uint64_t{item.partial + part * item.count} * args.kv_heads + kv_head * item.count;
    return args.partials + vectors * (kDim + 2);
  };
  const auto store_partial = [&](uint32_t number, const typename A::Part& part) {
    float* to = partial(number);
    a.ForOutputs([&](uint32_t r, uint32_t channel, uint32_t i) {
      *reinterpret_cast<float2*>(to + (a.g() + 8 * r) * kDim + channel) = {part.out[r][i],
                                                                           part.out[r][i + 1]};
    });
    if (a.warp() != 0 || a.t() != 0) return;
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t n = a.g() + 8 * r;
      if (n >= item.count) continue;
      to[item.count * kDim + n] = part.max[r];
      to[item.count * (kDim + 1) + n] = part.sum[r];
    }
  };
  const uint32_t stop = item.block + item.blocks;
  const auto stage_of = [&](uint32_t block) {
    return stages + (block - item.block) % A::kStages * A::kStageBytes;
  };
  const auto fill = [&](uint32_t block) {
    if (block < stop) a.Fill(stage_of(block), block);
    CommitCopies();
  };
  uint32_t asked = item.block;
  while (asked < min(known, item.block + A::kStages)) fill(asked++);
  prepare();
  while (asked < item.block + A::kStages) fill(asked++);

  typename A::Part whole;
  typename A::Part chunk;
  for (uint32_t block = item.block; block < stop; ++block) {
    WaitCopies<A::kStages - 1>();
    __syncwarp();
    const uint8_t* stage = stage_of(block);
    float s[4] = {};
    typename A::Part part;
    a.Scores(m, stage, block, begin, end, s);
    a.Weigh(m, stage, s, &part);
    a.Outputs(m, stage, all_end - min(all_end, block * kBlockTokens), &part);
    __syncwarp();
    fill(block + A::kStages);
    if (block == item.block || block % kChunkBlocks == 0) {
      chunk = part;
    } else {
      chunk.Add(part);
    }
    if (block + 1 != stop && (block + 1) % kChunkBlocks != 0) continue;
    const uint32_t done = block / kChunkBlocks - item.block / kChunkBlocks;  // chunks
    if (item.parts > 1) {
      store_partial(item.part + done, chunk);
    } else if (done == 0) {
      whole = chunk;
    } else {
      whole.Add(chunk);
    }
  }
  if (item.parts > 1) return FinishShared<A, kDim>(a, ring, m, last, partial);
  a.ForOutputs([&](uint32_t r, uint32_t channel, uint32_t i) {
    __half* to = OutputOf(a, a.g() + 8 * r);
    for (uint32_t x = 0; x < 2; ++x) {
      if (channel + x < args.head_dim)
        to[channel + x] = Saturated(whole.out[r][i + x] / whole.sum[r]);
    }
  });
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
      for (uint32_t c = args.head_dim + lane; c < kDim; c += 32) queries[place(n, c)] = __half(0.F);
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
                               key ? kv_head : args.cache.kv_heads + kv_head),
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
constexpr uint32_t AttendMemory(uint32_t most) {
  return Attention<kCodec, kDim>::kRingBytes + kAttendWarps * kDim * sizeof(float) +
         AttendBytes(most, kDim);
}

template <CodecId kCodec, uint32_t kDim>
void LaunchAttend(Launcher& l, const AttendArgs& args, const AppendArgs* append) {
  Launch(l, AttendKernel<kCodec, kDim>, dim3(args.grid_items, args.kv_heads), kAttendThreads,
         AttendMemory<kCodec, kDim>(args.most), args, append != nullptr ? *append : AppendArgs{},
         append != nullptr);
}

using AttendLaunch = void (*)(Launcher&, const AttendArgs&, const AppendArgs*);

}  // namespace wring::cuda
