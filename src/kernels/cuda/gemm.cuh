// The product of many rows: a block computes 128 rows of matrices x 64 of activations.
#pragma once

#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

constexpr uint32_t kTileN = 64;
constexpr uint32_t kStages = 4;

struct XTile {
  uint4 chunk[kTileN]
             [8];  // [row][16 bytes]; chunk c of row n stands at c ^ 4 (n & 1): no bank conflicts
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
    CopyAsyncUpTo16(&to->chunk[n][c ^ ((n & 1) << 2)], from, valid ? 16 : 0);
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
  const uint32_t begin = kSplit ? SegmentBegin<kFormat>(segment, strips) : 0;
  const uint32_t end = kSplit ? SegmentBegin<kFormat>(segment + 1, strips) : strips;

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
        while (SegmentBegin<kFormat>(segment + 1, strips) <= s) flush();
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

}  // namespace wring::cuda
