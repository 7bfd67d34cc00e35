// Where the rows of a matrix come from when it is packed: the bytes of one tensor as they stand in a file, or rows
// put together from the several tensors of a quantised Hugging Face checkpoint.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "quant/weight_format.h"

namespace wring {

class RowSource {
 public:
  virtual ~RowSource() = default;
  // The format that the rows are in.
  virtual const WeightFormat& format() const = 0;
  virtual uint32_t rows() const = 0;
  virtual uint32_t cols() const = 0;
  // Rows [first, first + count) in the format's stored layout, format().row_bytes(cols()) apart. Many threads call
  // this at once.
  virtual Status Read(uint32_t first, uint32_t count, std::byte* out) const = 0;
  // Where the rows stand as they are in a mapped file; null when they must be put together.
  virtual const std::byte* mapped() const { return nullptr; }
};

}  // namespace wring
