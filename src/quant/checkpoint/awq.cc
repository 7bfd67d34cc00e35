// AWQ (Lin et al. 2023), the GEMM layout of AutoAWQ:
//   qweight int32 [in, out / 8]      nibble i of word w: row 8 w + kOrder[i]
//   qzeros  int32 [groups, out / 8]  in the same order
//   scales  f16   [groups, out]
// w[out, in] = scale * (q - zero).
#include "quant/checkpoint/checkpoint.h"
#include "quant/checkpoint/int4_rows.h"

namespace wring {
namespace {

// Where row 8 w + r stands in its word: the inverse of AutoAWQ's order 0 2 4 6 1 3 5 7.
constexpr uint32_t kNibbleOf[8] = {0, 4, 1, 5, 2, 6, 3, 7};

class AwqRows final : public Int4Rows {
 public:
  AwqRows(const QuantizedMatrix& m, uint32_t group, const TensorRecord& qweight,
          const TensorRecord& qzeros, const TensorRecord& scales)
      : Int4Rows(m.rows, m.cols, group),
        qweight_(m.file->Bytes(qweight).data()),
        qzeros_(m.file->Bytes(qzeros).data()),
        scales_(m.file->Bytes(scales).data()),
        scale_type_(scales.dtype) {}

 protected:
  uint32_t Code(uint32_t row, uint32_t col) const override { return At(qweight_, col, row); }
  uint32_t Zero(uint32_t row, uint32_t group) const override { return At(qzeros_, group, row); }
  float Scale(uint32_t row, uint32_t group) const override {
    return ScaleAt(scales_, scale_type_, size_t{group} * rows() + row);
  }

 private:
  uint32_t At(const std::byte* words, uint32_t line, uint32_t row) const {
    return NibbleAt(words, size_t{line} * (rows() / 8) + row / 8, kNibbleOf[row % 8]);
  }
  const std::byte* qweight_;
  const std::byte* qzeros_;
  const std::byte* scales_;
  DType scale_type_;
};

class Awq final : public QuantMethod {
 public:
  explicit Awq(uint32_t group) : group_(group) {}
  bool Holds(const QuantizedMatrix& m) const override { return m.Find("qweight") != nullptr; }

  Result<std::unique_ptr<RowSource>> Open(const QuantizedMatrix& m) const override {
    WRING_ASSIGN(const uint32_t groups, GroupsOf(m, group_));
    const uint32_t group = m.cols / groups;
    WRING_ASSIGN(const auto* qweight, m.Get("qweight", DType::kI32, {m.cols, m.rows / 8}));
    WRING_ASSIGN(const auto* qzeros, m.Get("qzeros", DType::kI32, {groups, m.rows / 8}));
    const TensorRecord* scales = m.Find("scales");
    const DType type =
        scales != nullptr && IsScaleType(scales->dtype) ? scales->dtype : DType::kF16;
    WRING_ASSIGN(scales, m.Get("scales", type, {groups, m.rows}));
    return std::unique_ptr<RowSource>(
        std::make_unique<AwqRows>(m, group, *qweight, *qzeros, *scales));
  }

 private:
  uint32_t group_;
};

}  // namespace

Result<std::unique_ptr<QuantMethod>> OpenAwq(const HfConfig& config, std::string_view what) {
  const auto bits = config.Int("bits").value_or(config.Int("w_bit").value_or(0));
  auto group = config.Int("group_size").value_or(config.Int("q_group_size").value_or(128));
  const std::string* version = config.String("version");
  const bool gemm = version == nullptr || *version == "gemm" || *version == "GEMM";
  if (bits != 4 || !gemm || !config.Bool("zero_point").value_or(true)) {
    return Error(Code::kUnsupported,
                 "{}: AWQ of {} bits, version {} is not supported, only 4 bits with zero points in "
                 "version gemm",
                 what, bits, version != nullptr ? *version : "gemm");
  }
  if (group < -1 || group == 0 || group > (1 << 20)) {
    return Error(Code::kCorrupt, "{}: an AWQ group size of {} cannot be: it is damaged", what,
                 group);
  }
  return std::unique_ptr<QuantMethod>(
      std::make_unique<Awq>(group < 0 ? 0 : static_cast<uint32_t>(group)));
}

}  // namespace wring
