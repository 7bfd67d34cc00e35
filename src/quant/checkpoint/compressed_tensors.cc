// compressed-tensors (vLLM's llm-compressor):
//   format pack-quantized (W4A16)  weight_packed int32 [out, in / 8], nibble i of word w: column 8 w + i, code + 8;
//                                  weight_scale [out, groups]; weight_zero_point int32 [out / 8, groups], the same
//                                  packing along out, when not symmetric
//   format float-quantized (fp8)   weight F8_E4M3, weight_scale [1], [out, 1] or one a block
#include "quant/checkpoint/fp8_rows.h"
#include "quant/checkpoint/int4_rows.h"

namespace wring {
namespace {

class PackedRows final : public Int4Rows {
 public:
  PackedRows(const QuantizedMatrix& m, uint32_t group, const TensorRecord& packed,
             const TensorRecord& scales, const TensorRecord* zeros)
      : Int4Rows(m.rows, m.cols, group),
        groups_(m.cols / group),
        packed_(m.file->Bytes(packed).data()),
        scales_(m.file->Bytes(scales).data()),
        scale_type_(scales.dtype),
        zeros_(zeros != nullptr ? m.file->Bytes(*zeros).data() : nullptr) {}

 protected:
  uint32_t Code(uint32_t row, uint32_t col) const override {
    return NibbleAt(packed_, size_t{row} * (cols() / 8) + col / 8, col % 8);
  }
  uint32_t Zero(uint32_t row, uint32_t group) const override {
    return zeros_ == nullptr ? 8 : NibbleAt(zeros_, size_t{row / 8} * groups_ + group, row % 8);
  }
  float Scale(uint32_t row, uint32_t group) const override {
    return ScaleAt(scales_, scale_type_, size_t{row} * groups_ + group);
  }

 private:
  uint32_t groups_;
  const std::byte* packed_;
  const std::byte* scales_;
  DType scale_type_;
  const std::byte* zeros_;
};

class CompressedTensors final : public QuantMethod {
 public:
  CompressedTensors(bool floats, bool float8_activations, uint32_t group, bool symmetric,
                    uint32_t block_rows, uint32_t block_cols)
      : floats_(floats),
        float8_activations_(float8_activations),
        group_(group),
        symmetric_(symmetric),
        block_rows_(block_rows),
        block_cols_(block_cols) {}

  bool float8_activations() const override { return float8_activations_; }

  bool Holds(const QuantizedMatrix& m) const override {
    if (!floats_) return m.Find("weight_packed") != nullptr;
    const TensorRecord* t = m.file->Find(m.name);
    return t != nullptr && t->dtype == DType::kF8E4M3;
  }

  Result<std::unique_ptr<RowSource>> Open(const QuantizedMatrix& m) const override {
    if (floats_) return OpenFp8Rows(m, "weight_scale", block_rows_, block_cols_);
    WRING_ASSIGN(const uint32_t groups, GroupsOf(m, group_));
    const uint32_t group = m.cols / groups;
    if (m.Find("weight_g_idx") != nullptr) {
      return Error(Code::kUnsupported,
                   "{}: {} is in activation order, which is not supported in compressed-tensors",
                   m.what, m.name);
    }
    WRING_ASSIGN(const auto* packed, m.Get("weight_packed", DType::kI32, {m.rows, m.cols / 8}));
    const TensorRecord* scales = m.Find("weight_scale");
    const DType type =
        scales != nullptr && IsScaleType(scales->dtype) ? scales->dtype : DType::kBF16;
    WRING_ASSIGN(scales, m.Get("weight_scale", type, {m.rows, groups}));
    const TensorRecord* zeros = nullptr;
    if (!symmetric_) {
      WRING_ASSIGN(zeros, m.Get("weight_zero_point", DType::kI32, {m.rows / 8, groups}));
    }
    return std::unique_ptr<RowSource>(
        std::make_unique<PackedRows>(m, group, *packed, *scales, zeros));
  }

 private:
  bool floats_;
  bool float8_activations_;
  uint32_t group_;  // 0: one a row
  bool symmetric_;
  uint32_t block_rows_, block_cols_;
};

Status Unsupported(std::string_view what, std::string_view which) {
  return Error(Code::kUnsupported,
               "{}: compressed-tensors with {} is not supported (pack-quantized of 4 bits, "
               "float-quantized of 8): use another checkpoint of the model",
               what, which);
}

}  // namespace

Result<std::unique_ptr<QuantMethod>> OpenCompressedTensors(const HfConfig& config,
                                                           std::string_view what) {
  const std::string* format = config.String("format");
  const HfConfig groups = config.Object("config_groups");
  const auto keys = groups.Keys();
  if (format == nullptr || keys.empty()) {
    return Error(Code::kCorrupt, "{}: its quantization_config has no format or no groups", what);
  }
  if (keys.size() != 1) return Unsupported(what, "several config_groups");
  const HfConfig weights = groups.Object(keys[0]).Object("weights");
  const auto bits = weights.Int("num_bits").value_or(0);
  const auto group = weights.Int("group_size").value_or(-1);
  const auto block = weights.Ints("block_structure").value_or(std::vector<int64_t>{0, 0});
  const bool floats = *format == "float-quantized" && bits == 8;
  if (!floats && (*format != "pack-quantized" || bits != 4)) {
    return Unsupported(what, fmt::format("format {} of {} bits", *format, bits));
  }
  if (group < -1 || group > (1 << 20) || block.size() != 2 || block[0] < 0 || block[1] < 0 ||
      block[0] > (1 << 20) || block[1] > (1 << 20)) {
    return Error(Code::kCorrupt, "{}: the sizes of its quantisation groups cannot be", what);
  }
  const HfConfig inputs = groups.Object(keys[0]).Object("input_activations");
  const std::string* type = inputs.String("type");
  const bool float8 =
      floats && inputs.Int("num_bits").value_or(0) == 8 && type != nullptr && *type == "float";
  return std::unique_ptr<QuantMethod>(std::make_unique<CompressedTensors>(
      floats, float8, group <= 0 ? 0 : static_cast<uint32_t>(group),
      weights.Bool("symmetric").value_or(true), static_cast<uint32_t>(block[0]),
      static_cast<uint32_t>(block[1])));
}

}  // namespace wring
