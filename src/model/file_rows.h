// Rows of a model file's tensors, as the weights' loader asks for them.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "formats/tensor_file.h"
#include "quant/row_source.h"

namespace wring {

inline Status ReadAt(const MappedFile& file, uint64_t offset, std::byte* to, uint64_t size) {
  while (size > 0) {
    const ssize_t n = pread(file.descriptor(), to, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return Error(Code::kIo, "{}: reading it failed ({}): check the disk, or get the file again",
                   file.path(),
                   n == 0 ? "it became shorter while it was read" : std::strerror(errno));
    }
    to += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
  return {};
}

// The rows of one tensor as they stand in the file.
class FileRows final : public RowSource {
 public:
  FileRows(const TensorFile& file, const TensorRecord& tensor, const WeightFormat& format)
      : file_(file), tensor_(tensor), format_(format) {}
  const WeightFormat& format() const override { return format_; }
  uint32_t rows() const override { return static_cast<uint32_t>(tensor_.shape[0]); }
  uint32_t cols() const override { return static_cast<uint32_t>(tensor_.shape[1]); }
  Status Read(uint32_t first, uint32_t count, std::byte* out) const override {
    const uint64_t row_bytes = format_.row_bytes(cols());
    return ReadAt(*file_.files[tensor_.file], tensor_.offset + first * row_bytes, out,
                  count * row_bytes);
  }
  const std::byte* mapped() const override { return file_.Bytes(tensor_).data(); }

 private:
  const TensorFile& file_;
  const TensorRecord& tensor_;
  const WeightFormat& format_;
};

// Some columns of other rows: whole blocks.
class ColumnSlice final : public RowSource {
 public:
  ColumnSlice(std::shared_ptr<const RowSource> whole, uint32_t first, uint32_t cols)
      : whole_(std::move(whole)), first_(first), cols_(cols) {}
  const WeightFormat& format() const override { return whole_->format(); }
  uint32_t rows() const override { return whole_->rows(); }
  uint32_t cols() const override { return cols_; }
  Status Read(uint32_t first, uint32_t count, std::byte* out) const override {
    const uint64_t stored = format().row_bytes(whole_->cols());
    const uint64_t kept = format().row_bytes(cols_);
    std::vector<std::byte> rows(count * stored);
    WRING_TRY(whole_->Read(first, count, rows.data()));
    for (uint32_t r = 0; r < count; ++r)
      std::memcpy(out + r * kept, rows.data() + r * stored + format().row_bytes(first_), kept);
    return {};
  }

 private:
  const std::shared_ptr<const RowSource> whole_;
  const uint32_t first_, cols_;
};

}  // namespace wring
