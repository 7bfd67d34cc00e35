// Quantised Hugging Face checkpoints: config.json's quantization_config says which method packed the matrices; a
// method's reader puts a matrix's tensors together into rows of a weight format. One file a method; adding one is
// adding a file here and a line in checkpoint.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hf_config.h"
#include "formats/tensor_file.h"
#include "quant/row_source.h"

namespace wring {

// What a reader is asked for: the matrix [rows, cols] whose plain name would be `name` ("....q_proj.weight").
struct QuantizedMatrix {
  const TensorFile* file = nullptr;
  std::string what;  // the checkpoint, for messages
  std::string name;
  uint32_t rows = 0;
  uint32_t cols = 0;

  std::string stem() const {
    return name.substr(0, name.size() - std::string_view("weight").size());
  }
  // A tensor beside the matrix ("qweight", "scales"); null when it is absent.
  const TensorRecord* Find(std::string_view suffix) const {
    return file->Find(stem() + std::string(suffix));
  }
  // The same with its type and shape checked.
  Result<const TensorRecord*> Get(std::string_view suffix, DType dtype,
                                  const std::vector<uint64_t>& shape) const;
};

class QuantMethod {
 public:
  virtual ~QuantMethod() = default;
  // The rows of one matrix; kUnsupported or kCorrupt in one sentence.
  virtual Result<std::unique_ptr<RowSource>> Open(const QuantizedMatrix& matrix) const = 0;
  // Whether the checkpoint holds this matrix in packed form (some stay plain).
  virtual bool Holds(const QuantizedMatrix& matrix) const = 0;
  // Whether the checkpoint was made for activations of float8. Their scales are found while the model runs, also where the
  // checkpoint has some of its own: those found are finer.
  virtual bool float8_activations() const { return false; }
};

// The method of a quantization_config object; kUnsupported names what exists.
Result<std::unique_ptr<QuantMethod>> OpenQuantMethod(const HfConfig& config, std::string_view what);

// The methods, a file each.
Result<std::unique_ptr<QuantMethod>> OpenFp8(const HfConfig& config, std::string_view what);
Result<std::unique_ptr<QuantMethod>> OpenGptq(const HfConfig& config, std::string_view what);
Result<std::unique_ptr<QuantMethod>> OpenAwq(const HfConfig& config, std::string_view what);
Result<std::unique_ptr<QuantMethod>> OpenCompressedTensors(const HfConfig& config,
                                                           std::string_view what);

}  // namespace wring
