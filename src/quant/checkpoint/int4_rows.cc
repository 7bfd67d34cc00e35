#include "quant/checkpoint/int4_rows.h"

#include <cstring>

#include "quant/int4/blocks.h"
#include "quant/int4/formats.h"
#include "quant/plain/formats.h"

namespace wring {

Result<uint32_t> GroupsOf(const QuantizedMatrix& m, uint32_t group) {
  if (group == 0) group = m.cols;
  if (m.cols % 32 != 0 || m.rows % 8 != 0 || group % 32 != 0 || m.cols % group != 0) {
    return Error(Code::kUnsupported,
                 "{}: {} [{}, {}] in groups of {} columns is not supported (multiples of 32): use "
                 "another checkpoint of the model",
                 m.what, m.name, m.rows, m.cols, group);
  }
  return m.cols / group;
}

// A packed block is 128 columns where the groups allow it: a scale costs less there.
Int4Rows::Int4Rows(uint32_t rows, uint32_t cols, uint32_t group)
    : rows_(rows),
      cols_(cols),
      group_(group),
      format_(group % 128 == 0 && cols % 128 == 0 ? &Int4G128() : &Int4G32()) {}

Status Int4Rows::Read(uint32_t first, uint32_t count, std::byte* out) const {
  const uint32_t block = format_->block_cols();
  for (uint32_t r = first; r < first + count; ++r) {
    for (uint32_t c0 = 0; c0 < cols_; c0 += block) {
      const float scale = Scale(r, c0 / group_);
      std::memcpy(out, &scale, 4);
      out[4] = static_cast<std::byte>(Zero(r, c0 / group_));
      out += 5;
      for (uint32_t t = c0; t < c0 + block; t += 32) {
        for (uint32_t j = 0; j < 16; ++j) {
          *out++ = static_cast<std::byte>(Code(r, t + j) | Code(r, t + 16 + j) << 4);
        }
      }
    }
  }
  return {};
}

const WeightFormat& GatheredRows::format() const { return PlainF32(); }

Status GatheredRows::Read(uint32_t first, uint32_t count, std::byte* out) const {
  for (uint32_t r = first; r < first + count; ++r) {
    for (uint32_t c = 0; c < cols_; ++c, out += 4) {
      const float value = Value(r, c);
      std::memcpy(out, &value, 4);
    }
  }
  return {};
}

}  // namespace wring
