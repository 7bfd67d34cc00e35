// GPTQ (Frantar et al. 2022), the layout of AutoGPTQ and GPTQModel:
//   qweight int32 [in / 8, out]      nibble i of a word: row 8 w + i
//   qzeros  int32 [groups, out / 8]  minus one, unless checkpoint_format is gptq_v2
//   scales  f16   [groups, out]
//   g_idx   int32 [in]               group of an input column (act-order: not in order)
// w[out, in] = scale * (q - zero).
#include "quant/checkpoint/checkpoint.h"
#include "quant/checkpoint/int4_rows.h"

namespace wring {
namespace {

struct Layout {
  const std::byte* qweight;
  const std::byte* qzeros;
  const std::byte* scales;
  DType scale_type;
  uint32_t out;
  uint32_t zero_offset;

  uint32_t Code(uint32_t row, uint32_t col) const {
    return NibbleAt(qweight, size_t{col / 8} * out + row, col % 8);
  }
  uint32_t Zero(uint32_t row, uint32_t group) const {
    return NibbleAt(qzeros, size_t{group} * (out / 8) + row / 8, row % 8) + zero_offset;
  }
  float Scale(uint32_t row, uint32_t group) const {
    return ScaleAt(scales, scale_type, size_t{group} * out + row);
  }
};

class InOrder final : public Int4Rows {
 public:
  InOrder(const Layout& layout, uint32_t cols, uint32_t group)
      : Int4Rows(layout.out, cols, group), layout_(layout) {}

 protected:
  uint32_t Code(uint32_t row, uint32_t col) const override { return layout_.Code(row, col); }
  uint32_t Zero(uint32_t row, uint32_t group) const override { return layout_.Zero(row, group); }
  float Scale(uint32_t row, uint32_t group) const override { return layout_.Scale(row, group); }

 private:
  Layout layout_;
};

class ActOrder final : public GatheredRows {
 public:
  ActOrder(const Layout& layout, uint32_t cols, std::vector<uint32_t> groups)
      : GatheredRows(layout.out, cols), layout_(layout), groups_(std::move(groups)) {}

 protected:
  float Value(uint32_t row, uint32_t col) const override {
    const uint32_t g = groups_[col];
    return layout_.Scale(row, g) * static_cast<float>(static_cast<int>(layout_.Code(row, col)) -
                                                      static_cast<int>(layout_.Zero(row, g)));
  }

 private:
  Layout layout_;
  std::vector<uint32_t> groups_;
};

class Gptq final : public QuantMethod {
 public:
  Gptq(uint32_t group, bool v2) : group_(group), v2_(v2) {}
  bool Holds(const QuantizedMatrix& m) const override { return m.Find("qweight") != nullptr; }

  Result<std::unique_ptr<RowSource>> Open(const QuantizedMatrix& m) const override {
    WRING_ASSIGN(const uint32_t groups, GroupsOf(m, group_));
    const uint32_t group = m.cols / groups;
    WRING_ASSIGN(const auto* qweight, m.Get("qweight", DType::kI32, {m.cols / 8, m.rows}));
    WRING_ASSIGN(const auto* qzeros, m.Get("qzeros", DType::kI32, {groups, m.rows / 8}));
    const TensorRecord* scales = m.Find("scales");
    const DType type =
        scales != nullptr && IsScaleType(scales->dtype) ? scales->dtype : DType::kF16;
    WRING_ASSIGN(scales, m.Get("scales", type, {groups, m.rows}));
    const Layout layout = {m.file->Bytes(*qweight).data(),
                           m.file->Bytes(*qzeros).data(),
                           m.file->Bytes(*scales).data(),
                           type,
                           m.rows,
                           v2_ ? 0U : 1U};
    if (m.Find("g_idx") == nullptr)
      return Result<std::unique_ptr<RowSource>>(MakeInOrder(layout, m.cols, group));
    WRING_ASSIGN(const auto* g_idx, m.Get("g_idx", DType::kI32, {m.cols}));
    std::vector<uint32_t> order(m.cols);
    std::memcpy(order.data(), m.file->Bytes(*g_idx).data(), m.cols * sizeof(uint32_t));
    bool in_order = true;
    for (uint32_t c = 0; c < m.cols; ++c) {
      if (order[c] >= groups) {
        return Error(Code::kCorrupt, "{}: {}g_idx names group {} of {}: the file is damaged",
                     m.what, m.stem(), order[c], groups);
      }
      in_order &= order[c] == c / group;
    }
    if (in_order) return Result<std::unique_ptr<RowSource>>(MakeInOrder(layout, m.cols, group));
    return Result<std::unique_ptr<RowSource>>(
        std::make_unique<ActOrder>(layout, m.cols, std::move(order)));
  }

 private:
  static std::unique_ptr<RowSource> MakeInOrder(const Layout& layout, uint32_t cols,
                                                uint32_t group) {
    return std::make_unique<InOrder>(layout, cols, group);
  }

  uint32_t group_;  // 0: one a row
  bool v2_;
};

}  // namespace

Result<std::unique_ptr<QuantMethod>> OpenGptq(const HfConfig& config, std::string_view what) {
  const auto bits = config.Int("bits");
  const auto group = config.Int("group_size").value_or(-1);
  if (bits != 4) {
    return Error(Code::kUnsupported, "{}: GPTQ of {} bits is not supported, only of 4", what,
                 bits.value_or(0));
  }
  if (group < -1 || group == 0 || group > (1 << 20)) {
    return Error(Code::kCorrupt, "{}: a GPTQ group size of {} cannot be: it is damaged", what,
                 group);
  }
  const std::string* format = config.String("checkpoint_format");
  const bool v2 = format != nullptr && *format == "gptq_v2";
  return std::unique_ptr<QuantMethod>(
      std::make_unique<Gptq>(group < 0 ? 0 : static_cast<uint32_t>(group), v2));
}

}  // namespace wring
