// The product of few rows.
#pragma once

#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

// The activations of a GEMV in shared memory: [row][strip][8] pieces of 8 columns, piece c of row r at c ^ 4 (r & 1).
__device__ __forceinline__ uint32_t XPiece(uint32_t row, uint32_t piece, uint32_t strips) {
  return row * strips * 8 + (piece ^ ((row & 1) << 2));
}

__device__ __forceinline__ void NormInto(const LinearArgs& args, uint32_t strips, uint4* xs) {
  auto* halves = reinterpret_cast<__half*>(xs);
  const NormArgs& a = args.norm;
  for (uint32_t r = 0; r < args.rows; ++r) {
    const float* x = a.x + uint64_t{a.gather == nullptr ? r : a.gather[r]} * a.ldx;
    const float factor = NormFactor<kThreads>(x, a.cols, a.eps);
    for (uint32_t c = threadIdx.x; c < strips * kStrip; c += kThreads) {
      const float v = c < a.cols ? x[c] * factor * a.weight[c] : 0.F;
      halves[XPiece(r, c / 8, strips) * 8 + c % 8] = Saturated(v);
    }
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

// Thread blocks a multiprocessor: as many as registers for what is asked for ahead allow.
template <FormatId kFormat, int kTiles>
constexpr uint32_t GemvBlocks() {
  return kTiles == 1 && sizeof(typename Fragments<kFormat>::Raw) <= 48 ? 3 : 2;
}

// Few rows: a warp a segment, the blocks of a launch share out the row tiles and read their weights in one stream; the
// first ones are asked for before the launch before this one ended, since they do not depend on it. kTiles 2: the same
// tile of gate and up. Columns of the product beyond the rows repeat row 0 and are not stored.
template <FormatId kFormat, int kTiles, bool kSharedX>
__global__ void __launch_bounds__(kThreads, GemvBlocks<kFormat, kTiles>())
    GemvKernel(const __grid_constant__ LinearArgs args, const GatedOut gated, uint32_t tiles) {
  using F = Fragments<kFormat>;
  constexpr uint32_t kAhead = kTiles == 2 ? 2 : sizeof(typename F::Raw) > 48 ? 3 : 4;
  extern __shared__ uint4 xs[];
  __shared__ float sums[2][kTiles][kWarps][16][8];
  LetNextStart();
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t g = lane / 4;
  const uint32_t t = lane % 4;
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t begin = SegmentBegin(warp, strips);
  const uint32_t width = SegmentBegin(warp + 1, strips) - begin;

  const auto point = [&](uint32_t tile, const uint8_t*(&data)[kTiles]) {
    if constexpr (kTiles == 2) {
      data[0] = TileOf(args.part[0].w, tile);
      data[1] = TileOf(args.part[1].w, tile);
    } else {
      const LinearArgs::Part& part = PartOf(args, &tile);
      data[0] = TileOf(part.w, tile);
    }
  };
  // Slot i holds strip i, i + kAhead, ... of the segment.
  typename F::Raw raw[kAhead][kTiles];
  const uint8_t* data[kTiles];
  point(blockIdx.x, data);
#pragma unroll
  for (uint32_t i = 0; i < kAhead; ++i) {
    if (i < width) {
#pragma unroll
      for (int k = 0; k < kTiles; ++k) raw[i][k] = F::Load(data[k], begin + i, lane, strips);
    }
  }
  WaitForPrevious();
  if constexpr (kSharedX) {
    if (args.norm.x != nullptr) {
      NormInto(args, strips, xs);
    } else {
      for (uint32_t i = threadIdx.x; i < args.rows * strips * 8; i += kThreads) {
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
  for (uint32_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const bool more = tile + gridDim.x < tiles;
    const uint8_t* next[kTiles] = {};
    if (more) point(tile + gridDim.x, next);
    float acc[kTiles][4] = {};
    for (uint32_t s = 0; s < width; s += kAhead) {
#pragma unroll
      for (uint32_t i = 0; i < kAhead; ++i) {
        if (s + i < width) {
#pragma unroll
          for (uint32_t b = 0; b < 2; ++b) {
            const uint4 x =
                kSharedX ? LoadShared(x_shared[b] + (s + i) * 128) : x_global[(s + i) * 8 + 4 * b];
#pragma unroll
            for (int k = 0; k < kTiles; ++k)
              MultiplyBlock(F::Dequant(raw[i][k], b, lane), x, acc[k]);
          }
          const bool here = s + i + kAhead < width;
          if (here || more) {
#pragma unroll
            for (int k = 0; k < kTiles; ++k) {
              raw[i][k] = F::Load(here ? data[k] : next[k], begin + i + (here ? s + kAhead : 0),
                                  lane, strips);
            }
          }
        }
      }
    }
#pragma unroll
    for (int k = 0; k < kTiles; ++k) data[k] = next[k];

    float(*to)[kWarps][16][8] = sums[buffer];
    buffer ^= 1;
#pragma unroll
    for (int k = 0; k < kTiles; ++k) {
      *reinterpret_cast<float2*>(&to[k][warp][g][2 * t]) = {acc[k][0], acc[k][1]};
      *reinterpret_cast<float2*>(&to[k][warp][g + 8][2 * t]) = {acc[k][2], acc[k][3]};
    }
    __syncthreads();
    const uint32_t row = threadIdx.x % 16;
    const uint32_t col = threadIdx.x / 16;
    if (col >= args.rows) continue;
    if constexpr (kTiles == 2) {
      const uint32_t at = tile * 16 + row;
      if (at >= args.part[0].w.rows) continue;
      float v[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        v[k] = SumSegments(to[k], row, col) * args.part[k].w.alpha;
        if (args.part[k].bias != nullptr) v[k] += args.part[k].bias[at];
      }
      reinterpret_cast<__half*>(gated.out)[uint64_t{col} * gated.ld + at] =
          Saturated(GateOf(gated.gate, v[0]) * v[1]);
    } else {
      uint32_t of_part = tile;
      const LinearArgs::Part& part = PartOf(args, &of_part);
      StoreOutput(args, part, of_part * 16 + row, col, SumSegments(to[0], row, col));
    }
  }
}

}  // namespace wring::cuda
