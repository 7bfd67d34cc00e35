// What the pre-norm decoders with rotary attention and a gated feed-forward share.
#pragma once

#include "model/arch/architecture.h"

namespace wring::decoder {

// The numbers common to both namings; biases, norms and windows are left to the architecture.
Result<ModelSpec> CommonSpec(const ConfigView& config, std::string_view architecture);

// Rotation as the file describes it, into spec.ropes[0] (spec.context grows with the scaling).
// `hf_object`: where newer Hugging Face files keep it.
Status ReadRope(const ConfigView& config, std::string_view hf_object, ModelSpec* spec);

// Which layers attend to a window only: config.json's layer_types, else all but every `period`-th (0: all).
// Nothing is local when the file gives no window.
Status ReadWindow(const ConfigView& config, uint32_t period, ModelSpec* spec);

// norm, q k v (norms of heads), rope, append, attend, o (norm), sum, norm, gate up, activation, down (norm), sum;
// head.
std::vector<Op> Ops(const ModelSpec& spec);

// Llama's names.
std::vector<WeightDecl> Weights(const ModelSpec& spec, ConfigView::Naming naming);
// The same where GGUF files keep the rows of q and k as rotary pairs.
std::vector<WeightDecl> PairedWeights(const ModelSpec& spec, ConfigView::Naming naming);

// Collects declarations under the names of one kind of file.
class Declarations {
 public:
  explicit Declarations(ConfigView::Naming naming) : naming_(naming) {}
  // A weight of the model. `hf` and `gguf` are whole names.
  WeightDecl& Model(WeightRole role, std::string_view hf, std::string_view gguf, uint32_t rows,
                    uint32_t cols = 1);
  // A weight of a layer; names stand after "model.layers.N." and "blk.N.".
  WeightDecl& Layer(WeightRole role, uint32_t layer, std::string_view hf, std::string_view gguf,
                    uint32_t rows, uint32_t cols = 1);
  std::vector<WeightDecl> Take() { return std::move(all_); }

  std::string hf_layers = "model.layers.";

 private:
  ConfigView::Naming naming_;
  std::vector<WeightDecl> all_;
};

}  // namespace wring::decoder
