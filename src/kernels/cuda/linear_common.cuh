// What the products over fragments share. A warp owns 16 rows of the matrix; the activations' rows are the columns of the
// product.
#pragma once

#include "kernels/cuda/fragments.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/rows.cuh"

namespace wring::cuda {

constexpr uint32_t kWarps = 8;
constexpr uint32_t kThreads = 32 * kWarps;
constexpr uint32_t kStrip = 64;  // columns, kStripCols of quant/fragments
static_assert(kWarps == kSegments);

// Segments hold whole records.
template <FormatId kFormat>
__device__ __forceinline__ uint32_t SegmentBegin(uint32_t segment, uint32_t strips) {
  constexpr uint32_t kRecord = FragmentPartsOf(kFormat).strips;
  return segment * (strips / kRecord) / kSegments * kRecord;
}

// Waits until `asked` bytes, of all that a multiprocessor asks for since `start`, are due at so many bytes a nanosecond (0: at
// once).
__device__ __forceinline__ void Pace(uint32_t rate, uint64_t start, uint32_t asked) {
  while (rate > 0 && (Nanoseconds() - start) * rate < asked) {
  }
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

// A sum as its output without what is added to; roundings are spelled out, so that all kernels have the same.
__device__ __forceinline__ float Biased(const LinearArgs::Part& part, uint32_t row, float sum) {
  return part.bias == nullptr ? __fmul_rn(sum, part.w.alpha)
                              : __fmaf_rn(sum, part.w.alpha, part.bias[row]);
}

__device__ __forceinline__ void StoreOutput(const LinearArgs& args, const LinearArgs::Part& part,
                                            uint32_t row, uint32_t col, float sum) {
  if (row >= part.w.rows || col >= args.rows) return;
  float* out = part.out + uint64_t{col} * part.ld + row;
  const float v = Biased(part, row, sum);
  *out = args.add ? __fadd_rn(*out, v) : v;
}

__device__ __forceinline__ void MultiplyBlock(const BlockWeights& w, uint4 x, float (&acc)[4]) {
  Mma(acc, w.a[0][0], w.a[1][0], w.a[0][1], w.a[1][1], x.x, x.y);
  Mma(acc, w.a[0][2], w.a[1][2], w.a[0][3], w.a[1][3], x.z, x.w);
}

// Row `row` of an embedding, by `warps` warps.
template <FormatId kFormat>
__device__ __forceinline__ void EmbedRow(const EmbedArgs& args, uint32_t row, uint32_t warp,
                                         uint32_t warps) {
  using F = Fragments<kFormat>;
  const MatrixArg& w = args.w;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t from = args.index == nullptr ? 0 : static_cast<uint32_t>(args.index[row]);
  const uint8_t* tile = TileOf(w, from / 16);
  const bool mine = lane / 4 == from % 8;
  float* to = args.out + uint64_t{row} * args.ld;
  for (uint32_t s = warp; s < w.strips; s += warps) {
    const typename F::Raw raw = F::Load(tile, s, lane, w.strips);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const BlockWeights v = F::Dequant(raw, b, lane);
      if (!mine) continue;
#pragma unroll
      for (uint32_t k = 0; k < 8; ++k) {
        const uint32_t col = s * kStrip + 32 * b + 8 * (lane % 4) + k;
        if (col >= w.cols) continue;
        const uint32_t pair = from % 16 < 8 ? v.a[0][k / 2] : v.a[1][k / 2];
        const __half h = k % 2 == 0 ? __low2half(AsHalf2(pair)) : __high2half(AsHalf2(pair));
        const float value = __half2float(h) * w.alpha * args.scale;
        to[col] = args.add ? to[col] + value : value;
      }
    }
  }
}

}  // namespace wring::cuda
