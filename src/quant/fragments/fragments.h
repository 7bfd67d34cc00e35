// How a weight matrix lies for tensor cores: in the order of the fragments of mma.m16n8k16, so that a lane loads what it
// multiplies with one wide load and no shuffle. Written by the host from packed panels, read by kernels/cuda.
//
// A *strip* is 16 rows x 64 columns; the strips of 16 rows follow each other, so that a warp reads memory front to back.
// Lane 4 g + t holds rows g and g + 8, and of each block of 32 columns the columns 8 t .. 8 t + 7: which columns meet in
// which k of an mma is free as long as the activations agree, and so their fragments are 16 contiguous bytes, too.
//
//   plain types    float16, row-major, columns padded to 64 (the vendor's GEMM reads the same copy)
//   4-bit codes    [32 lanes] 16 bytes: block 0 row g, block 0 row g + 8, block 1 row g, block 1 row g + 8; the nibbles of
//                  a word are columns 0 2 4 6 1 3 5 7, so that one mask gives the two halves of a register
//   8-bit codes    [2 blocks][32 lanes] 16 bytes: row g, row g + 8; the byte is the signed value + 128, or an 8-bit float
//   2-bit codes    [32 lanes] 8 bytes: a word a row: bits 2 (4 b + p) (+ 16): block b, even (odd) column of pair p
//   one bit more   (5th, or Q3_K's 3rd) [32 lanes] 4 bytes: bits 8 r + 4 b + p (+ 16): row g + 8 r
//   two bits more  as 2-bit codes
//   scales         [8 g] a float16 (with min: two) for block 0 row g, block 0 row g + 8, block 1 row g, block 1 row g + 8
//   K types        a record is 4 strips: codes, high bits, then a byte each for scale and min, [strip][8 g][2 blocks]
//                  {scale g, min g, scale g + 8, min g + 8} (Q6_K: [strip][8 g][2 halves of a block] {block 0 g, g + 8,
//                  block 1 g, g + 8}, scale + 128; Q3_K the same, Q2_K with scale and min in a byte; IQ4_XS [strip][8 g]
//                  {block 0 g, g + 8, block 1 g, g + 8}, scale + 128), then [8 g] d (and -dmin) of rows g and g + 8
//   groups of 128  a record is 2 strips: codes, then [8 g] the scale of rows g and g + 8 (4-bit: each with -zero behind)
//
// A weight's value is fixed by this format, not by the kernel that reads it (but for kernels/cuda/codes.cuh, which rounds
// nothing): s = d * scale in float16, then w = code * s - min in one float16 rounding; 4-bit integers w = (code - zero) * s.
// All but F16 carry a factor of 2^kScaleBits, so that small scales are no subnormal numbers; `alpha` takes it off the sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "quant/weight_format.h"

namespace wring {

inline constexpr uint32_t kStripCols = 64;
inline constexpr int kScaleBits = 8;

struct FragmentLayout {
  uint32_t record_strips = 0;  // strips a record; 0: the format has no fragments
  uint32_t record_bytes = 0;
  float alpha = 1;  // of the products
};

FragmentLayout FragmentsOf(FormatId format);
// Plain types: fragments are float16, row-major, whatever the file holds.
constexpr bool HoldsHalves(FormatId format) {
  return format == FormatId::kF32 || format == FormatId::kF16 || format == FormatId::kBF16;
}

// A matrix in fragments; a view over a device's memory.
struct FragmentMatrix {
  FormatId format = FormatId::kF16;
  uint32_t rows = 0, cols = 0;
  const std::byte* data = nullptr;

  uint32_t row_tiles() const { return CeilDiv(rows, kPanelRows); }
  uint32_t strips() const;  // of a row tile, whole records
  uint64_t tile_bytes() const;
  uint64_t bytes() const { return row_tiles() * tile_bytes(); }
};

// Rearranges one packed panel (16 rows) into `out`, tile_bytes() long. kUnsupported when a weight is too large for
// float16 with its factor.
Status PackFragments(FormatId format, const std::byte* panel, uint32_t cols, std::byte* out);

// The value of every weight of a row of the tile, as kernels see it times alpha: what tests compare with.
void ReadFragments(const FragmentMatrix& matrix, const std::byte* tile, uint32_t row, float* out);

}  // namespace wring
