// Tensor maps: how Hopper's copy engine finds boxes of the page pool (CUDA driver API, "Tensor Map Object Management").
#pragma once

#include <cuda.h>

#include <cstdint>

#include "kernels/cuda/kernels.h"

namespace wring::cuda {

// Rows of `row_bytes` (a multiple of 32) anywhere in memory from `base` on: a box is `rows` consecutive ones of them, 64
// halves wide, and stands in shared memory with the 128-byte swizzle; what lies past a row's end reads as zeros. Its place
// is four numbers, since none may exceed 2^31: column, and of the offset in bytes the rest of RowsMapUnit() in steps of
// RowsMapStep(), 0, the multiples of RowsMapUnit().
CUtensorMap RowsMap(Launcher&, const void* base, uint32_t row_bytes, uint32_t rows);

// A matrix of halves, its rows at distances of `ld`, a multiple of 8: the same of `box_rows` rows, at most 256, where what lies
// beyond the last row reads as zeros too. Its place is a column and a row.
CUtensorMap MatrixMap(Launcher&, const void* base, uint32_t ld, uint32_t rows, uint32_t box_rows);

constexpr uint64_t RowsMapUnit(uint32_t row_bytes) { return uint64_t{row_bytes} << 16; }
constexpr uint32_t RowsMapStep(uint32_t row_bytes) {
  return row_bytes % 128 == 0 ? 128 : row_bytes % 64 == 0 ? 64 : 32;
}

}  // namespace wring::cuda
