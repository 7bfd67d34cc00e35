// The weights of a model in a device's memory: on the host matrices packed into panels in one buffer (or left in the
// mapped file when not repacked), on a GPU as fragments (quant/fragments); vectors as float32 padded to 16.
//
// Packing reads the file in pieces with pread into a small buffer per thread, so the source never counts
// as resident: the peak is the packed weights and nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "formats/tensor_file.h"
#include "model/arch/architecture.h"
#include "model/model_spec.h"
#include "quant/checkpoint/checkpoint.h"
#include "quant/fragments/fragments.h"
#include "quant/weight_format.h"
#include "tensor/buffer.h"

namespace wring {

class Weights {
 public:
  struct Source {
    const TensorFile* file = nullptr;
    std::vector<WeightDecl> weights;            // what the model needs and where it stands
    std::shared_ptr<const QuantMethod> method;  // of a quantised Hugging Face checkpoint
    std::string what;                           // for messages
  };

  // Checks every tensor's presence, type and shape before anything is read. With `repack` false the
  // matrices stay as stored and the file must outlive the weights; those that a quantised checkpoint keeps in several
  // tensors are packed all the same.
  static Result<std::unique_ptr<Weights>> Load(const ModelSpec& spec, const Source& source,
                                               bool repack, ThreadPool& pool, Progress* progress,
                                               Device& device = HostDevice());

  // Of which only the shapes are asked: no matrix, no memory.
  static Result<std::unique_ptr<Weights>> Shapes(const std::vector<WeightDecl>& decls,
                                                 Device& device);

  Device& device() const { return *vector_memory_.device(); }
  // On the host; on other devices it has format and shape alone.
  const PackedMatrix& matrix(WeightRef ref) const { return matrices_[Index(ref)]; }
  const float* vector(WeightRef ref) const { return vectors_[Index(ref)]; }
  // On a GPU.
  const FragmentMatrix& fragments(WeightRef ref) const { return fragments_[Index(ref)]; }
  // Bytes that one decode step reads: every matrix once, and of an untied embedding only one row.
  uint64_t bytes_per_token() const { return bytes_per_token_; }
  uint64_t matrix_bytes() const { return matrix_bytes_; }
  uint64_t parameters() const { return parameters_; }
  // "Q4_1 (66.4 MB), Q8_0 (30.1 MB)": the formats by bytes.
  std::string FormatSummary() const;

 private:
  friend class WeightLoader;
  friend class RandomWeights;
  Weights() = default;
  // Rows of a matrix that a decode step reads.
  static uint64_t RowsRead(const ModelSpec& spec, const WeightDecl& d);
  // Makes this rank's rows of a tied embedding its head.
  void ShareHead(const ModelSpec& spec);
  size_t Index(WeightRef ref) const { return static_cast<size_t>(ref.role) * layers_ + ref.layer; }

  uint32_t layers_ = 0;
  std::vector<PackedMatrix> matrices_;
  std::vector<FragmentMatrix> fragments_;
  std::vector<const float*> vectors_;
  Buffer matrix_memory_;
  Buffer vector_memory_;
  uint64_t bytes_per_token_ = 0;
  uint64_t matrix_bytes_ = 0;
  uint64_t parameters_ = 0;
  bool shares_head_ = false;
};

}  // namespace wring
