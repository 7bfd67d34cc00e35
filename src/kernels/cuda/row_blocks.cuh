// Blocks of row tiles of the products on Hopper, and how the copy engine brings their weights.
#pragma once

#include "kernels/cuda/barrier.cuh"
#include "kernels/cuda/linear_common.cuh"
#include "kernels/cuda/tensor_map.h"
#include "kernels/cuda/wgmma.cuh"

namespace wring::cuda {

// Up to `tiles` tiles of one part; gated: half of them of gate (part 0), then as many of up (part 1).
struct RowBlock {
  uint32_t part, first, tiles;
  bool gated;
};

// The i-th of RowBlocks().
__device__ __forceinline__ RowBlock RowBlockOf(const LinearArgs& args, bool gated, uint32_t tiles,
                                               uint32_t i) {
  if (gated) return {0, i * (tiles / 2), tiles, true};
  uint32_t p = 0;
  for (; p + 1 < args.parts; ++p) {
    const uint32_t blocks = (args.part[p].w.tiles + tiles - 1) / tiles;
    if (i < blocks) break;
    i -= blocks;
  }
  return {p, i * tiles, tiles, false};
}
// The part and the tile of it that stands at `at` of a block; the tile may be beyond the last.
__device__ __forceinline__ uint32_t PartAt(const RowBlock& b, uint32_t at, uint32_t* tile) {
  const bool up = b.gated && at >= b.tiles / 2;
  *tile = b.first + (up ? at - b.tiles / 2 : at);
  return up ? 1 : b.part;
}

// Where the copy engine finds float16 weights, in boxes of a block's rows, and the activations of a narrow product of them;
// other formats need nothing of the kind.
template <FormatId kFormat>
struct HalfMaps {};
template <>
struct HalfMaps<FormatId::kF16> {
  CUtensorMap part[kMaxParts];
  CUtensorMap x;
};

#ifdef WRING_WGMMA

// Where the lane's tile of a block begins; of one beyond the last, the first of its matrix.
__device__ __forceinline__ const uint8_t* TileAt(const LinearArgs& args, const RowBlock& b,
                                                 uint32_t lane) {
  uint32_t tile = 0;
  const MatrixArg& w = args.part[PartAt(b, lane, &tile)].w;
  return TileOf(w, lane < b.tiles && tile < w.tiles ? tile : 0);
}
// One warp asks for `count` strips from `strip` on of a block's tiles. float16: [strip][row] 128 bytes, kStep bytes from strip
// to strip, zero beyond the matrix, in a box for all rows, or for those of each part: many small boxes are
// slower. Others: [tile] G::kTileBytes; `tile_at`: TileAt().
template <typename G, uint32_t kStep, typename Maps>
__device__ __forceinline__ void CopyWeights(const Maps& maps, const RowBlock& b,
                                            const uint8_t* tile_at, uint32_t strip, uint32_t count,
                                            uint32_t to, uint32_t barrier, uint32_t lane) {
  if constexpr (G::kHalves) {
    if (lane != 0) return;
    for (uint32_t s = 0; s < count; ++s) {
      const uint32_t x = (strip + s) * kStrip;
      CopyBox(to + s * kStep, &maps.part[b.part], barrier, x, b.first * 16);
      if (b.gated)
        CopyBox(to + s * kStep + b.tiles / 2 * 2048, &maps.part[1], barrier, x, b.first * 16);
    }
  } else {
    constexpr uint32_t kStripBytes = G::F::kChunkBytes / G::F::kChunkStrips;
    if (lane >= b.tiles) return;
    CopyBulk(to + lane * G::kTileBytes, tile_at + strip * kStripBytes, count * kStripBytes,
             barrier);
  }
}

#endif  // WRING_WGMMA

}  // namespace wring::cuda
