// Linear layers over fragments, for one weight format a source file. A warp owns 16 rows of the matrix; the activations'
// rows are the columns of the product.
#pragma once

#include "kernels/cuda/fragments.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.cuh"

namespace wring::cuda {

constexpr uint32_t kWarps = 8;
constexpr uint32_t kThreads = 32 * kWarps;
constexpr uint32_t kStrip = 64;  // columns, kStripCols of quant/fragments
static_assert(kWarps == kSegments);

__device__ __forceinline__ uint32_t SegmentBegin(uint32_t segment, uint32_t strips) {
  return segment * strips / kSegments;
}

// Which part a tile of a launch belongs to; `tile` becomes the part's.
__device__ __forceinline__ const LinearArgs::Part& PartOf(const LinearArgs& args, uint32_t* tile) {
  uint32_t p = 0;
  while (p + 1 < args.parts && *tile >= args.part[p].w.tiles) *tile -= args.part[p++].w.tiles;
  return args.part[p];
}

__device__ __forceinline__ const uint8_t* TileOf(const MatrixArg& w, uint32_t tile) {
  return reinterpret_cast<const uint8_t*>(w.data) + tile * w.tile_bytes;
}

__device__ __forceinline__ void StoreOutput(const LinearArgs& args, const LinearArgs::Part& part,
                                            uint32_t row, uint32_t col, float sum) {
  if (row >= part.w.rows || col >= args.rows) return;
  float* out = part.out + uint64_t{col} * part.ld + row;
  sum *= part.w.alpha;
  if (part.bias != nullptr) sum += part.bias[row];
  *out = args.add ? *out + sum : sum;
}

__device__ __forceinline__ void MultiplyBlock(const BlockWeights& w, uint4 x, float (&acc)[4]) {
  Mma(acc, w.a[0][0], w.a[1][0], w.a[0][1], w.a[1][1], x.x, x.y);
  Mma(acc, w.a[0][2], w.a[1][2], w.a[0][3], w.a[1][3], x.z, x.w);
}

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

  const auto point = [&](uint32_t tile, const uint8_t* (&data)[kTiles]) {
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
  const uint32_t x_shared[2] = {
      Kept(SharedAddress(xs + XPiece(x_row, begin * 8 + t, strips))),
      Kept(SharedAddress(xs + XPiece(x_row, begin * 8 + 4 + t, strips)))};
  const uint4* x_global =
      Kept(reinterpret_cast<const uint4*>(args.x + uint64_t{x_row} * args.ldx) + begin * 8 + t);

  uint32_t buffer = 0;
  for (uint32_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const bool more = tile + gridDim.x < tiles;
    const uint8_t* next[kTiles];
    if (more) point(tile + gridDim.x, next);
    float acc[kTiles][4] = {};
    for (uint32_t s = 0; s < width; s += kAhead) {
#pragma unroll
      for (uint32_t i = 0; i < kAhead; ++i) {
        if (s + i < width) {
#pragma unroll
          for (uint32_t b = 0; b < 2; ++b) {
            const uint4 x = kSharedX ? LoadShared(x_shared[b] + (s + i) * 128)
                                     : x_global[(s + i) * 8 + 4 * b];
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

// ---- many rows: a block computes 128 rows of matrices x 64 of activations ----
constexpr uint32_t kTileN = 64;
constexpr uint32_t kStages = 4;

struct XTile {
  uint4 chunk[kTileN][8];  // [row][16 bytes]; chunk c of row n stands at c ^ 4 (n & 1): no bank conflicts
};

// One strip of the activations into shared memory.
__device__ __forceinline__ void LoadX(const LinearArgs& args, uint32_t first, uint32_t strip,
                                      XTile* to) {
#pragma unroll
  for (uint32_t i = 0; i < kTileN * 8 / kThreads; ++i) {
    const uint32_t n = (threadIdx.x + i * kThreads) / 8;
    const uint32_t c = threadIdx.x % 8;
    const bool valid = first + n < args.rows;
    const Half* from = args.x + uint64_t{valid ? first + n : 0} * args.ldx + strip * kStrip + 8 * c;
    CopyAsync16(&to->chunk[n][c ^ ((n & 1) << 2)], from, valid);
  }
}

// kSplit: blockIdx.z is the one segment to sum, into the workspace [segment][row of x][row of all parts].
template <FormatId kFormat, bool kSplit>
__global__ void __launch_bounds__(kThreads, 2)
    GemmKernel(const __grid_constant__ LinearArgs args, float* workspace, uint32_t all_rows) {
  using F = Fragments<kFormat>;
  extern __shared__ XTile stages[];
  LetNextStart();
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t g = lane / 4;
  const uint32_t t = lane % 4;
  const uint32_t first = blockIdx.x * kTileN;
  const uint32_t global_tile = blockIdx.y * kWarps + warp;
  const bool active = global_tile * 16 < all_rows;
  uint32_t tile = active ? global_tile : 0;
  const LinearArgs::Part& part = PartOf(args, &tile);
  const uint8_t* data = TileOf(part.w, tile);
  const uint32_t strips = part.w.strips;
  uint32_t segment = kSplit ? blockIdx.z : 0;
  const uint32_t begin = kSplit ? SegmentBegin(segment, strips) : 0;
  const uint32_t end = kSplit ? SegmentBegin(segment + 1, strips) : strips;

  typename F::Raw raw[2];
  if (begin < end) raw[0] = F::Load(data, begin, lane, strips);
  if (begin + 1 < end) raw[1] = F::Load(data, begin + 1, lane, strips);
  WaitForPrevious();
#pragma unroll
  for (uint32_t i = 0; i < kStages - 1; ++i) {
    if (begin + i < end) LoadX(args, first, begin + i, &stages[i]);
    CommitCopies();
  }
  float acc[kTileN / 8][4] = {};
  float total[kTileN / 8][4] = {};
  const auto flush = [&] {
#pragma unroll
    for (uint32_t j = 0; j < kTileN / 8; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        total[j][i] = segment == 0 ? acc[j][i] : total[j][i] + acc[j][i];
        acc[j][i] = 0;
      }
    }
    ++segment;
  };
  for (uint32_t s0 = begin; s0 < end; s0 += 2) {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t s = s0 + i;
      if (s >= end) break;
      if constexpr (!kSplit) {
        while (SegmentBegin(segment + 1, strips) <= s) flush();
      }
      WaitCopies<kStages - 2>();
      __syncthreads();
      const uint32_t ahead = s + kStages - 1;
      if (ahead < end) LoadX(args, first, ahead, &stages[(ahead - begin) % kStages]);
      CommitCopies();
      const XTile& x = stages[(s - begin) % kStages];
#pragma unroll
      for (uint32_t b = 0; b < 2; ++b) {
        const BlockWeights w = F::Dequant(raw[i], b, lane);
#pragma unroll
        for (uint32_t j = 0; j < kTileN / 8; ++j) {
          MultiplyBlock(w, x.chunk[8 * j + g][(4 * b + t) ^ ((g & 1) << 2)], acc[j]);
        }
      }
      if (s + 2 < end) raw[i] = F::Load(data, s + 2, lane, strips);
    }
  }
  if constexpr (!kSplit) {
    while (segment < kSegments) flush();
  }
  if (!active) return;
#pragma unroll
  for (uint32_t j = 0; j < kTileN / 8; ++j) {
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = g + 8 * (i / 2);
      const uint32_t col = first + 8 * j + 2 * t + i % 2;
      if constexpr (kSplit) {
        if (col < args.rows) {
          workspace[(uint64_t{blockIdx.z} * args.rows + col) * all_rows + global_tile * 16 + row] =
              acc[j][i];
        }
      } else {
        StoreOutput(args, part, tile * 16 + row, col, total[j][i]);
      }
    }
  }
}

// Weights as float16, row-major.
template <FormatId kFormat>
__global__ void __launch_bounds__(kThreads) ExpandKernel(const __grid_constant__ MatrixArg w, Half* out) {
  using F = Fragments<kFormat>;
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint8_t* tile = TileOf(w, blockIdx.x);
  for (uint32_t s = blockIdx.y * kWarps + threadIdx.x / 32; s < w.strips; s += kWarps * gridDim.y) {
    const typename F::Raw raw = F::Load(tile, s, lane, w.strips);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const BlockWeights v = F::Dequant(raw, b, lane);
#pragma unroll
      for (uint32_t r = 0; r < 2; ++r) {
        const uint64_t row = uint64_t{blockIdx.x} * 16 + lane / 4 + 8 * r;
        Half* to = out + row * w.strips * kStrip + s * kStrip + 32 * b + 8 * (lane % 4);
        *reinterpret_cast<uint4*>(to) = {v.a[r][0], v.a[r][1], v.a[r][2], v.a[r][3]};
      }
    }
  }
}

template <FormatId kFormat>
__global__ void __launch_bounds__(kThreads)
    EmbedKernel(const __grid_constant__ MatrixArg w, const int32_t* index, float scale, bool add,
                float* out, uint32_t ld) {
  using F = Fragments<kFormat>;
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t row = index == nullptr ? 0 : static_cast<uint32_t>(index[blockIdx.x]);
  const uint8_t* tile = TileOf(w, row / 16);
  const bool mine = lane / 4 == row % 8;
  float* to = out + uint64_t{blockIdx.x} * ld;
  for (uint32_t s = threadIdx.x / 32; s < w.strips; s += kWarps) {
    const typename F::Raw raw = F::Load(tile, s, lane, w.strips);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const BlockWeights v = F::Dequant(raw, b, lane);
      if (!mine) continue;
#pragma unroll
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t col = s * kStrip + 32 * b + 8 * (lane % 4) + k;
        if (col >= w.cols) continue;
        const uint32_t pair = row % 16 < 8 ? v.a[0][k / 2] : v.a[1][k / 2];
        const __half h = k % 2 == 0 ? __low2half(AsHalf2(pair)) : __high2half(AsHalf2(pair));
        const float value = __half2float(h) * w.alpha * scale;
        to[col] = add ? to[col] + value : value;
      }
    }
  }
}

uint32_t AllTiles(const LinearArgs& args);
void ReduceSplit(Launcher&, const LinearArgs&, const float* workspace);

template <FormatId kFormat>
struct LinearLaunches {
  template <int kTiles>
  static void Stream(Launcher& l, const LinearArgs& args, const GatedOut& gated, uint32_t tiles) {
    const uint32_t bytes = args.rows * args.part[0].w.strips * 128;
    const uint32_t most = GemvBlocks<kFormat, kTiles>() * l.multiprocessors;
    const uint32_t grid = tiles < most ? tiles : most;
    if (bytes <= kGemvShared) {
      Launch(l, GemvKernel<kFormat, kTiles, true>, grid, kThreads, bytes, args, gated, tiles);
    } else {
      Launch(l, GemvKernel<kFormat, kTiles, false>, grid, kThreads, 0, args, gated, tiles);
    }
  }
  static void GemvRows(Launcher& l, const LinearArgs& args) {
    Stream<1>(l, args, {}, AllTiles(args));
  }
  static void GatedRows(Launcher& l, const LinearArgs& args, Gate gate, Half* out, uint32_t ld) {
    Stream<2>(l, args, {gate, out, ld}, args.part[0].w.tiles);
  }
  static void Gemm(Launcher& l, const LinearArgs& args, float* workspace) {
    const uint32_t tiles = AllTiles(args);
    const bool split = SplitsSegments(tiles, args.rows);
    const dim3 grid((args.rows + kTileN - 1) / kTileN, (tiles + kWarps - 1) / kWarps,
                    split ? kSegments : 1);
    if (split) {
      Launch(l, GemmKernel<kFormat, true>, grid, kThreads, kStages * sizeof(XTile), args, workspace,
             tiles * 16);
      ReduceSplit(l, args, workspace);
    } else {
      Launch(l, GemmKernel<kFormat, false>, grid, kThreads, kStages * sizeof(XTile), args, workspace,
             tiles * 16);
    }
  }
  static void Expand(Launcher& l, const MatrixArg& w, Half* out) {
    const uint32_t across = w.strips >= 4 * kWarps ? w.strips / (4 * kWarps) : 1;
    Launch(l, ExpandKernel<kFormat>, dim3(w.tiles, across), kThreads, 0, w, out);
  }
  static void Embed(Launcher& l, const MatrixArg& w, const int32_t* index, uint32_t rows,
                    float scale, bool add, float* out, uint32_t ld) {
    Launch(l, EmbedKernel<kFormat>, rows, kThreads, 0, w, index, scale, add, out, ld);
  }
  static constexpr LinearKernels kAll = {GemvRows, GatedRows, Gemm, Expand, Embed};
};

}  // namespace wring::cuda
