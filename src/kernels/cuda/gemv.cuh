// The product of few rows.
#pragma once

#include "kernels/cuda/linear_common.cuh"
#include "kernels/cuda/sent.cuh"

namespace wring::cuda {

template <uint32_t kColumns>
__device__ __forceinline__ float SumSegments(const float (&sums)[kWarps][16][kColumns],
                                             uint32_t row, uint32_t col) {
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

// How a warp reads ahead: kSlots chunks of kTiles tiles each in shared memory.
template <FormatId kFormat, int kTiles>
struct Ahead {
  static constexpr uint32_t kSlotBytes = kTiles * Fragments<kFormat>::kChunkBytes;
  static constexpr uint32_t kWanted = (6000 + kSlotBytes - 1) / kSlotBytes;
  static constexpr uint32_t kSlots = kWanted < 2 ? 2 : kWanted;
  static constexpr uint32_t kBytes = kWarps * kSlots * kSlotBytes;
};
constexpr uint32_t kGemvBlocks =
    2;  // of a launch on a multiprocessor: the next launch's find room beside them

// Few rows: a warp a segment, the blocks of a launch share out the row tiles. Each warp reads its weights as one stream
// into shared memory; it begins before the launch before this one ended, since weights do not depend on it. kTiles 2: the
// same tile of gate and up, of which nothing is sent. Product (gemv_half.cuh, gemv_codes.cuh) says how activations stand in
// shared memory and what a warp does with a chunk of its weights.
template <typename Product, int kTiles>
__global__ void __launch_bounds__(kThreads, kGemvBlocks + 1)
    GemvKernel(const __grid_constant__ LinearArgs args, const GatedOut gated, uint32_t tiles,
               const __grid_constant__ SendArgs send) {
  constexpr FormatId kFormat = Product::kFormat;
  using F = Fragments<kFormat>;
  using A = Ahead<kFormat, kTiles>;
  constexpr uint32_t kChunk = F::kChunkStrips;
  constexpr uint32_t kColumns = Product::kColumns;
  extern __shared__ __align__(128) uint8_t ring_and_x[];
  __shared__ float sums[2][kTiles][kWarps][16][kColumns];
  LetNextStart();
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t begin = SegmentBegin<kFormat>(warp, strips);
  const uint32_t width = SegmentBegin<kFormat>(warp + 1, strips) - begin;
  uint8_t* ring = ring_and_x + warp * (A::kSlots * A::kSlotBytes);
  uint8_t* xs = ring_and_x + A::kBytes;

  // What is asked for next: strip `ahead` of the segment of tile `ahead_tile`.
  uint32_t ahead_tile = blockIdx.x;
  uint32_t ahead = 0;
  const uint8_t* from[kTiles];
  const auto point = [&] {
    if constexpr (kTiles == 2) {
      from[0] = TileOf(args.part[0].w, ahead_tile);
      from[1] = TileOf(args.part[1].w, ahead_tile);
    } else {
      uint32_t of_part = ahead_tile;
      const LinearArgs::Part& part = PartOf(args, &of_part);
      from[0] = TileOf(part.w, of_part);
    }
  };
  const auto fill = [&](uint8_t* slot) {
    if (ahead < width) {
#pragma unroll
      for (int k = 0; k < kTiles; ++k) {
        F::FillChunk(slot + k * F::kChunkBytes, from[k], begin + ahead, min(kChunk, width - ahead),
                     lane, strips);
      }
      ahead += kChunk;
      if (ahead >= width && ahead_tile + gridDim.x < tiles) {
        ahead_tile += gridDim.x;
        ahead = 0;
        point();
      }
    }
    CommitCopies();
  };
  if (ahead_tile < tiles) point();
  const uint64_t start = Nanoseconds();
#pragma unroll
  for (uint32_t i = 0; i < A::kSlots; ++i) {
    Pace(args.calm, start, kGemvBlocks * A::kSlotBytes * (kWarps * i + warp));
    fill(ring + i * A::kSlotBytes);
  }
  typename Product::Early early;
  Product::Begin(args, &early);
  WaitForPrevious();
  if (blockIdx.x == 0) SayBegun(send, args.rows);
  Product::Prepare(args, early, strips, xs);
  Product product(args, strips, begin, xs);

  uint32_t buffer = 0;
  uint32_t slot = 0;
  for (uint32_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    product.Clear();
    // Where this thread's sum goes, and what it is added to: asked for early.
    const uint32_t row = threadIdx.x % 16;
    const uint32_t col = threadIdx.x / 16;
    uint32_t of_part = tile;
    const LinearArgs::Part& part = kTiles == 2 ? args.part[0] : PartOf(args, &of_part);
    const uint32_t at = of_part * 16 + row;
    const bool stores = col < args.rows && at < part.w.rows;
    float* out = part.out + uint64_t{col} * part.ld + at;
    float before = 0;
    if (kTiles == 1 && args.add && stores) before = *out;
    for (uint32_t s = 0; s < width; s += kChunk) {
      uint8_t* chunk = ring + slot * A::kSlotBytes;
      slot = slot + 1 == A::kSlots ? 0 : slot + 1;
      WaitCopies<A::kSlots - 1>();
      __syncwarp();
      product.Multiply(SharedAddress(chunk), s, width);
      __syncwarp();
      fill(chunk);
    }

    float(*to)[kWarps][16][kColumns] = sums[buffer];
    buffer ^= 1;
#pragma unroll
    for (int k = 0; k < kTiles; ++k) product.Leave(k, to[k][warp]);
    __syncthreads();
    if (!stores) continue;
    if constexpr (kTiles == 2) {
      float v[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) v[k] = Biased(args.part[k], at, SumSegments(to[k], row, col));
      reinterpret_cast<__half*>(gated.out)[uint64_t{col} * gated.ld + at] =
          Saturated(GateOf(gated.gate, v[0]) * v[1]);
    } else {
      const float v = Biased(part, at, SumSegments(to[0], row, col));
      if (send.ranks == 0) *out = args.add ? __fadd_rn(before, v) : v;
#pragma unroll 1
      for (uint32_t r = 0; r < send.ranks; ++r)
        StoreSent(send.to[r] + uint64_t{col} * part.ld + at, __float_as_uint(v));
    }
  }
}

}  // namespace wring::cuda
