// Rows of 4-bit integers in groups, from readers that know where a code, a zero point and a scale stand. GPTQ, AWQ
// and compressed-tensors differ in nothing else.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "quant/checkpoint/checkpoint.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

namespace wring {

// How many groups of `group` columns (0: one a row) a row of the matrix has; kUnsupported when they are not whole
// multiples of 32 or rows do not fill words.
Result<uint32_t> GroupsOf(const QuantizedMatrix& matrix, uint32_t group);

class Int4Rows : public RowSource {
 public:
  // Groups of `group` columns share a scale; it must be a multiple of 32 that divides cols.
  Int4Rows(uint32_t rows, uint32_t cols, uint32_t group);

  const WeightFormat& format() const override { return *format_; }
  uint32_t rows() const override { return rows_; }
  uint32_t cols() const override { return cols_; }
  Status Read(uint32_t first, uint32_t count, std::byte* out) const override;

 protected:
  virtual uint32_t Code(uint32_t row, uint32_t col) const = 0;
  virtual uint32_t Zero(uint32_t row, uint32_t group) const = 0;
  virtual float Scale(uint32_t row, uint32_t group) const = 0;

  uint32_t group() const { return group_; }

 private:
  uint32_t rows_, cols_, group_;
  const WeightFormat* format_;
};

// The same where neighbouring columns may be of different groups (GPTQ's act-order): exact float32 rows, eight times
// the memory.
class GatheredRows : public RowSource {
 public:
  GatheredRows(uint32_t rows, uint32_t cols) : rows_(rows), cols_(cols) {}
  const WeightFormat& format() const override;
  uint32_t rows() const override { return rows_; }
  uint32_t cols() const override { return cols_; }
  Status Read(uint32_t first, uint32_t count, std::byte* out) const override;

 protected:
  virtual float Value(uint32_t row, uint32_t col) const = 0;

 private:
  uint32_t rows_, cols_;
};

// A float of a scale tensor.
inline float ScaleAt(const std::byte* data, DType dtype, size_t index) {
  if (dtype == DType::kF32) {
    float v;
    std::memcpy(&v, data + 4 * index, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, data + 2 * index, 2);
  return dtype == DType::kF16 ? F16ToF32(h) : BF16ToF32(h);
}
inline bool IsScaleType(DType d) {
  return d == DType::kF32 || d == DType::kF16 || d == DType::kBF16;
}
// Nibble `at` (0..7, from the low end) of 32-bit word `index`.
inline uint32_t NibbleAt(const std::byte* words, size_t index, uint32_t at) {
  uint32_t word;
  std::memcpy(&word, words + 4 * index, 4);
  return (word >> (4 * at)) & 15;
}

}  // namespace wring
