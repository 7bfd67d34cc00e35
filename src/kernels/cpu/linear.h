// Linear layers on the CPU: y[n] = W x[n] for n activation rows over packed panels of 16 weight rows.
//
// Two arithmetics. *int8*: activations are quantised to 8 bits a block of 32 columns (scale = amax /
// 127), the dot product of a block is exact in int32, and a row's sum adds the blocks in order:
//     acc = fma(float(idot), w_scale * a_scale, acc)            then  acc = fma(w_min, a_sum, acc)
// *f32*: activations stay float32, weights are widened, and a row's sum is cut at segments of
// kF32Segment columns, each summed in order, added in order.
// Both are the same whatever the number of rows, the tile, the thread or the instruction set.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "quant/weight_format.h"

namespace wring::cpu {

inline constexpr uint32_t kActBlock = 32;    // columns that share an activation scale
inline constexpr uint32_t kF32Segment = 64;  // columns summed before they join a row's total

// Activation rows stand in tiles of 12, 8, 4, 2 or 1 rows, interleaved so that a tile's values for one
// column group are neighbours: int8 [cols/4][tile][4], float [cols][tile], scales [blocks][tile].
// A tile that begins at row r begins at r * (length of a row) in each array.
inline uint32_t TileRows(uint32_t remaining, uint32_t widest) {
  for (uint32_t n : {12U, 8U, 4U, 2U}) {
    if (n <= widest && n <= remaining) return n;
  }
  return 1;
}

// An op of fewer multiply-adds is not worth a meeting of the threads (about a microsecond).
inline constexpr uint64_t kSerialWork = 20'000;

// Up to this many rows of a packed matrix read its panels directly; more expand each panel once for all of them.
inline constexpr uint32_t kDirectRows = 4;

// Rows whose activations should stay in a core's second-level cache while panels pass by. A multiple of 24 is one of every
// tile width, so that a tile never straddles two blocks.
inline uint32_t RowBlock(uint64_t cols) {
  constexpr uint64_t kActCacheBytes = 384 << 10;
  return static_cast<uint32_t>(std::max<uint64_t>(kActCacheBytes / cols / 24 * 24, 24));
}

// Tiles that one thread makes ready at least, of rows of so many columns.
inline size_t PrepareGrain(uint64_t cols) { return 1 + kSerialWork / (cols * 4); }

struct Int8Acts {
  uint32_t rows = 0;
  uint32_t cols = 0;              // a multiple of kActBlock
  const int8_t* q = nullptr;      // rows * cols
  const float* scale = nullptr;   // rows * blocks
  const float* sum = nullptr;     // rows * blocks: scale * sum of the block's codes
  const int32_t* isum = nullptr;  // rows * 2 blocks: sums of 16 codes
};

struct F32Acts {
  uint32_t rows = 0;
  uint32_t cols = 0;
  const float* x = nullptr;  // rows * cols, tiled
};

// y[n * ld + row] = (residual ? residual[n * ld + row] : 0) + bias[row] + W x. `ld`, bias and the last
// panel's rows are padded to 16, so whole panels are stored. residual may be y.
struct LinearOutput {
  float* y = nullptr;
  uint64_t ld = 0;
  const float* bias = nullptr;
  const float* residual = nullptr;
};

// Computes panels [begin, end) of one matrix for all rows. `scratch` has ScratchBytes(cols).
using Int8LinearFn = void (*)(const PackedMatrix& w, const Int8Acts& x, const LinearOutput& out,
                              uint32_t begin, uint32_t end, std::byte* scratch);
using F32LinearFn = void (*)(const PackedMatrix& w, const F32Acts& x, const LinearOutput& out,
                             uint32_t begin, uint32_t end, std::byte* scratch);

// Scratch of one thread: an expanded panel (16 x cols codes or a float strip), a packed panel for
// matrices that were not repacked, and partial sums.
inline size_t LinearScratchBytes(uint64_t cols, uint64_t panel_bytes) {
  return RoundUp<size_t>(16 * cols + (cols / 16 + 2) * 256 + panel_bytes, 64) + (size_t{512} << 10);
}

}  // namespace wring::cpu
