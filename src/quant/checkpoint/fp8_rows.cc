#include "quant/checkpoint/fp8_rows.h"

#include <cstring>

#include "quant/checkpoint/int4_rows.h"
#include "quant/fp8/formats.h"

namespace wring {
namespace {

class Fp8Rows final : public RowSource {
 public:
  // Scale of (row, col): scales[row / block_rows * across + col / block_cols].
  Fp8Rows(const QuantizedMatrix& m, const TensorRecord& codes, const TensorRecord& scales,
          uint32_t block_rows, uint32_t block_cols)
      : rows_(m.rows),
        cols_(m.cols),
        block_rows_(block_rows),
        block_cols_(block_cols),
        across_(CeilDiv(m.cols, block_cols)),
        codes_(m.file->Bytes(codes).data()),
        scales_(m.file->Bytes(scales).data()),
        scale_type_(scales.dtype),
        format_(block_cols % 128 == 0 && m.cols % 128 == 0 ? &Fp8G128() : &Fp8G32()) {}

  const WeightFormat& format() const override { return *format_; }
  uint32_t rows() const override { return rows_; }
  uint32_t cols() const override { return cols_; }
  Status Read(uint32_t first, uint32_t count, std::byte* out) const override {
    const uint32_t group = format_->block_cols();
    for (uint32_t r = first; r < first + count; ++r) {
      for (uint32_t c = 0; c < cols_; c += group) {
        const size_t at = size_t{r / block_rows_} * across_ + c / block_cols_;
        const float scale = ScaleAt(scales_, scale_type_, at);
        std::memcpy(out, &scale, 4);
        std::memcpy(out + 4, codes_ + size_t{r} * cols_ + c, group);
        out += 4 + group;
      }
    }
    return {};
  }

 private:
  uint32_t rows_, cols_, block_rows_, block_cols_, across_;
  const std::byte* codes_;
  const std::byte* scales_;
  DType scale_type_;
  const WeightFormat* format_;
};

}  // namespace

Result<std::unique_ptr<RowSource>> OpenFp8Rows(const QuantizedMatrix& m,
                                               std::string_view scale_suffix, uint32_t block_rows,
                                               uint32_t block_cols) {
  WRING_ASSIGN(const auto* codes, m.Get("weight", DType::kF8E4M3, {m.rows, m.cols}));
  const TensorRecord* scales = m.Find(scale_suffix);
  if (scales == nullptr || !IsScaleType(scales->dtype)) {
    return Error(Code::kCorrupt, "{}: tensor {}{} is missing or no float: get the file again",
                 m.what, m.stem(), scale_suffix);
  }
  if (scales->elements() == 1) {
    block_rows = m.rows;
    block_cols = RoundUp(m.cols, 128U);
  } else if (scales->elements() == m.rows && scales->shape[0] == m.rows) {
    block_rows = 1;
    block_cols = RoundUp(m.cols, 128U);
  } else {
    const std::vector<uint64_t> grid = {CeilDiv(m.rows, std::max(block_rows, 1U)),
                                        CeilDiv(m.cols, std::max(block_cols, 1U))};
    if (block_rows == 0 || block_cols == 0 || scales->shape != grid) {
      return Error(Code::kCorrupt,
                   "{}: tensor {} is [{}], which is neither one scale, nor one a row, nor one a "
                   "block: the file is damaged",
                   m.what, scales->name, fmt::join(scales->shape, ", "));
    }
  }
  if (m.cols % 32 != 0 || block_cols % 32 != 0) {
    return Error(Code::kUnsupported, "{}: {} of {} columns in blocks of {} is not supported",
                 m.what, m.name, m.cols, block_cols);
  }
  return std::unique_ptr<RowSource>(
      std::make_unique<Fp8Rows>(m, *codes, *scales, block_rows, block_cols));
}

}  // namespace wring
