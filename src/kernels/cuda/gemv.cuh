// The product of few rows.
#pragma once

#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

// The activations of a GEMV in shared memory: [row][strip][8] pieces of 8 columns, piece c of row r at c ^ 4 (r & 1).
__device__ __forceinline__ uint32_t XPiece(uint32_t row, uint32_t piece, uint32_t strips) {
  return row * strips * 8 + (piece ^ ((row & 1) << 2));
}

// How a warp reads ahead: kSlots chunks in shared memory, as many as `kMost` bytes hold but two at least.
template <FormatId kFormat, uint32_t kMost>
struct Ahead {
  static constexpr uint32_t kSlotBytes = Fragments<kFormat>::kChunkBytes;
  static constexpr uint32_t kSlots = kMost / kSlotBytes < 2 ? 2 : kMost / kSlotBytes;
  static constexpr uint32_t kBytes = kWarps * kSlots * kSlotBytes;  // of so many warps
};

// A block of a GEMV: groups of kWarps warps, each with row tiles of its own. With two groups one such block of a launch and
// one of the next fill a multiprocessor, so that each has as much of a launch as another; where the chunks of a format are
// too large for that there is one group, two blocks of a launch, and room for one of the next.
template <FormatId kFormat>
struct GemvBlock {
  using Reads = Ahead<kFormat, 4608>;
  static constexpr uint32_t kGroups = 2 * Reads::kBytes <= 72 << 10 ? 2 : 1;
  static constexpr uint32_t kThreadCount = kGroups * kThreads;
  static constexpr uint32_t kResident = kGroups == 2 ? 2 : 3;
  static constexpr uint32_t kRing = kGroups * Reads::kBytes;
  static constexpr uint32_t kBlocks = kResident - 1;  // of a launch on a multiprocessor
};

// A row a group, so that sums are those of a norm by kThreads.
template <uint32_t kGroups>
__device__ __forceinline__ void NormInto(const LinearArgs& args, uint32_t strips, uint4* xs,
                                         uint32_t group, uint32_t thread) {
#pragma unroll 1
  for (uint32_t r = group; r < args.rows; r += kGroups) {
    NormRow<kThreads>(
        args.norm, r, strips * kStrip, thread,
        [&](float v) { return GroupSum<kThreads, kGroups>(v, group, thread); },
        [&](uint32_t c, const float4& v) {
          reinterpret_cast<uint2*>(xs + XPiece(r, c / 8, strips))[c / 4 % 2] = Halves4(v);
        });
  }
}

__device__ __forceinline__ float SumSegments(const float (&sums)[kWarps][16][8], uint32_t row,
                                             uint32_t col) {
  float sum = sums[0][row][col];
#pragma unroll
  for (uint32_t w = 1; w < kWarps; ++w) sum += sums[w][row][col];
  return sum;
}

struct GatedOut {
  Gate gate;
  Half* out;
  uint32_t ld;
};

// Few rows: a warp a segment of a tile, a group a tile; kGated: the gate's tile and the same of `up`, by two groups or one
// after the other. Each warp reads its weights as one stream into shared memory; it begins before the launch before this
// one ended, since weights do not depend on it. Columns of the product beyond the rows repeat row 0 and are not stored.
template <FormatId kFormat, bool kGated, bool kSharedX>
__global__ void __launch_bounds__(GemvBlock<kFormat>::kThreadCount, GemvBlock<kFormat>::kResident)
    GemvKernel(const __grid_constant__ LinearArgs args, const GatedOut gated, uint32_t tiles) {
  using F = Fragments<kFormat>;
  using B = GemvBlock<kFormat>;
  using A = typename B::Reads;
  constexpr uint32_t kGroups = B::kGroups;
  constexpr uint32_t kChunk = F::kChunkStrips;
  constexpr bool kInTurn = kGated && kGroups == 1;  // a group has both tiles
  extern __shared__ __align__(16) uint8_t ring_and_x[];
  __shared__ float sums[2][kGated ? 2 : kGroups][kWarps][16][8];
  LetNextStart();
  const uint32_t group = threadIdx.x / kThreads;
  const uint32_t thread = threadIdx.x % kThreads;
  const uint32_t warp = thread / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t g = lane / 4;
  const uint32_t t = lane % 4;
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t begin = SegmentBegin<kFormat>(warp, strips);
  const uint32_t width = SegmentBegin<kFormat>(warp + 1, strips) - begin;
  uint8_t* ring = ring_and_x + threadIdx.x / 32 * (A::kSlots * A::kSlotBytes);
  uint4* xs = reinterpret_cast<uint4*>(ring_and_x + B::kRing);
  const uint32_t first = kGated ? blockIdx.x : blockIdx.x + group * gridDim.x;
  const uint32_t step = kGated ? gridDim.x : kGroups * gridDim.x;

  // What is asked for next: strip `ahead` of the segment of tile `ahead_tile`.
  uint32_t ahead_tile = first;
  uint32_t ahead_part = kInTurn ? 0 : group;
  uint32_t ahead = 0;
  const uint8_t* from;
  const auto point = [&] {
    if constexpr (kGated) {
      from = TileOf(args.part[ahead_part].w, ahead_tile);
    } else {
      uint32_t of_part = ahead_tile;
      const LinearArgs::Part& part = PartOf(args, &of_part);
      from = TileOf(part.w, of_part);
    }
  };
  const auto fill = [&](uint8_t* slot) {
    if (ahead < width && ahead_tile < tiles) {
      F::FillChunk(slot, from, begin + ahead, min(kChunk, width - ahead), lane, strips);
      ahead += kChunk;
      if (ahead >= width) {
        if (kInTurn && ahead_part == 0) {
          ahead_part = 1;
          ahead = 0;
          point();
        } else if (ahead_tile + step < tiles) {
          if (kInTurn) ahead_part = 0;
          ahead_tile += step;
          ahead = 0;
          point();
        }
      }
    }
    CommitCopies();
  };
  if (ahead_tile < tiles) point();
#pragma unroll
  for (uint32_t i = 0; i < A::kSlots; ++i) fill(ring + i * A::kSlotBytes);
  WaitForPrevious();
  if constexpr (kSharedX) {
    if (args.norm.x != nullptr) {
      NormInto<kGroups>(args, strips, xs, group, thread);
    } else {
#pragma unroll 4
      for (uint32_t i = threadIdx.x; i < args.rows * strips * 8; i += B::kThreadCount) {
        const uint32_t r = i / (strips * 8);
        const uint32_t piece = i % (strips * 8);
        xs[XPiece(r, piece, strips)] =
            *reinterpret_cast<const uint4*>(args.x + uint64_t{r} * args.ldx + 8 * piece);
      }
    }
    __syncthreads();
  }
  const uint32_t x_row = g < args.rows ? g : 0;
  // Of blocks 0 and 1 of the segment's first strip.
  const uint32_t x_shared[2] = {Kept(SharedAddress(xs + XPiece(x_row, begin * 8 + t, strips))),
                                Kept(SharedAddress(xs + XPiece(x_row, begin * 8 + 4 + t, strips)))};
  const uint4* x_global =
      Kept(reinterpret_cast<const uint4*>(args.x + uint64_t{x_row} * args.ldx) + begin * 8 + t);

  uint32_t buffer = 0;
  uint32_t slot = 0;
  for (uint32_t tile = first; tile < tiles; tile += step) {
    float(*to)[kWarps][16][8] = sums[buffer];
#pragma unroll
    for (uint32_t turn = 0; turn < (kInTurn ? 2 : 1); ++turn) {
      float acc[4] = {};
      for (uint32_t s = 0; s < width; s += kChunk) {
        uint8_t* chunk = ring + slot * A::kSlotBytes;
        slot = slot + 1 == A::kSlots ? 0 : slot + 1;
        WaitCopies<A::kSlots - 1>();
        __syncwarp();
#pragma unroll
        for (uint32_t i = 0; i < kChunk; ++i) {
          if (kChunk > 1 && FragmentPartsOf(kFormat).strips == 1 && s + i >= width) break;
          const typename F::Raw raw = F::ReadChunk(SharedAddress(chunk), i, lane);
#pragma unroll
          for (uint32_t b = 0; b < 2; ++b) {
            const uint4 x =
                kSharedX ? LoadShared(x_shared[b] + (s + i) * 128) : x_global[(s + i) * 8 + 4 * b];
            MultiplyBlock(F::Dequant(raw, b, lane), x, acc);
          }
        }
        __syncwarp();
        fill(chunk);
      }
      float(&of)[16][8] = to[kInTurn ? turn : group][warp];
      *reinterpret_cast<float2*>(&of[g][2 * t]) = {acc[0], acc[1]};
      *reinterpret_cast<float2*>(&of[g + 8][2 * t]) = {acc[2], acc[3]};
    }
    const uint32_t row = thread % 16;
    const uint32_t col = thread / 16;
    if constexpr (kGated) {
      __syncthreads();
      const bool mine = kInTurn || group == buffer;  // groups take turns at what is left
      buffer ^= 1;
      const uint32_t at = tile * 16 + row;
      if (!mine || col >= args.rows || at >= args.part[0].w.rows) continue;
      const float gate = Biased(args.part[0], at, SumSegments(to[0], row, col));
      const float up = Biased(args.part[1], at, SumSegments(to[1], row, col));
      reinterpret_cast<__half*>(gated.out)[uint64_t{col} * gated.ld + at] =
          Saturated(GateOf(gated.gate, gate) * up);
    } else {
      GroupBarrier<kThreads>(group);
      buffer ^= 1;
      if (col >= args.rows) continue;
      uint32_t of_part = tile;
      const LinearArgs::Part& part = PartOf(args, &of_part);
      StoreOutput(args, part, of_part * 16 + row, col, SumSegments(to[group], row, col));
    }
  }
}

}  // namespace wring::cuda
