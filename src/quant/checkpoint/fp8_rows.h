// Rows of 8-bit floats from a tensor of codes and a grid of scales: one scale a tensor, a row, or a block of rows x
// columns.
#pragma once

#include <memory>

#include "quant/checkpoint/checkpoint.h"

namespace wring {

// Opens `m.name` (F8_E4M3) with the scales of the tensor `scale_suffix`, whose shape says their grain:
// [] or [1] a tensor, [rows] or [rows, 1] a row, else [ceil(rows / block_rows), ceil(cols / block_cols)].
Result<std::unique_ptr<RowSource>> OpenFp8Rows(const QuantizedMatrix& m,
                                               std::string_view scale_suffix, uint32_t block_rows,
                                               uint32_t block_cols);

}  // namespace wring
