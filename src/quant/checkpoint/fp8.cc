// "fp8" checkpoints (DeepSeek-V3, Qwen3-FP8: weight_scale_inv, one a block of 128 x 128; others: weight_scale, one a
// tensor). w = code * scale; the name "inv" says that it is the inverse of what divided.
#include "quant/checkpoint/fp8_rows.h"

namespace wring {
namespace {

class Fp8 final : public QuantMethod {
 public:
  Fp8(uint32_t block_rows, uint32_t block_cols)
      : block_rows_(block_rows), block_cols_(block_cols) {}
  bool float8_activations() const override { return true; }
  bool Holds(const QuantizedMatrix& m) const override {
    const TensorRecord* t = m.file->Find(m.name);
    return t != nullptr && t->dtype == DType::kF8E4M3;
  }
  Result<std::unique_ptr<RowSource>> Open(const QuantizedMatrix& m) const override {
    const bool inverse = m.Find("weight_scale_inv") != nullptr;
    return OpenFp8Rows(m, inverse ? "weight_scale_inv" : "weight_scale", block_rows_, block_cols_);
  }

 private:
  uint32_t block_rows_, block_cols_;
};

}  // namespace

Result<std::unique_ptr<QuantMethod>> OpenFp8(const HfConfig& config, std::string_view what) {
  const auto block = config.Ints("weight_block_size").value_or(std::vector<int64_t>{0, 0});
  if (block.size() != 2 || block[0] < 0 || block[1] < 0 || block[0] > (1 << 20) ||
      block[1] > (1 << 20)) {
    return Error(Code::kCorrupt, "{}: weight_block_size is not two sizes: it is damaged", what);
  }
  return std::unique_ptr<QuantMethod>(
      std::make_unique<Fp8>(static_cast<uint32_t>(block[0]), static_cast<uint32_t>(block[1])));
}

}  // namespace wring
