// What the ops of a step cost: operations and bytes, op by op, of the engine's own op list (model/op_list.h), fused as it
// runs. An architecture that can be run can be priced; nothing here describes a model again.
//
// An operation is a multiply or an add, 2 a multiply-add; bytes are those that must move once between memory and the
// processor: a step's weights, what ops read and write beside, keys and values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyze/workload.h"
#include "base/result.h"
#include "kv/codec/codec.h"
#include "model/arch/architecture.h"
#include "model/op_list.h"

namespace wring::analyze {

struct Cost {
  double flops = 0;
  double weights = 0;  // bytes read
  double in = 0;       // activations read, bytes
  double out = 0;      // activations written
  double kv_read = 0;  // of the cache
  double kv_written = 0;

  double bytes() const { return weights + in + out + kv_read + kv_written; }
  double intensity() const { return bytes() > 0 ? flops / bytes() : 0; }
  Cost& operator+=(const Cost& o);
};

// What an op's speed goes by: products of packed weights, of plain ones, attention, and everything else.
enum class Unit : uint8_t { kMatrix, kPlainMatrix, kAttention, kVector };
inline constexpr size_t kUnits = 4;
inline bool IsProduct(Unit unit) { return unit == Unit::kMatrix || unit == Unit::kPlainMatrix; }

struct OpCost {
  OpKind kind = OpKind::kEmbed;
  Unit unit = Unit::kVector;
  std::string name;     // "q, k, v", "attend", "rms_norm"
  uint32_t layers = 1;  // how often a step runs it; `cost` is of one
  uint64_t rows = 0;    // of a product
  // What a processor's kernels do for it, which its time goes by. Of a product: elements of its input, which it orders first
  // (`beside`, which threads share in so many pieces); weights unpacked while they are read, or expanded once for many rows.
  // Of attention (attend_work.h): elements that other threads just wrote (`beside`), first runs over blocks (`unpacked`).
  // Threads share its units (`pieces`), or blocks of few units. Of other ops: elements of keys that are laid into their panels
  // (`unpacked`) and of embeddings (`expanded`), in `pieces`.
  double beside = 0;
  uint32_t pieces = 1, blocks = 0;
  double unpacked = 0, expanded = 0;
  double done = 0;   // operations as kernels do them, where that is known; else 0
  double fresh = 0;  // share of cost.kv_read that this step wrote
  // Weights and cache that the step reads and writes: so much lies between two uses of this op's.
  double step_bytes = 0;
  Cost cost;

  Cost total() const;
};

// The matrices of a model, by weight.
class Matrices {
 public:
  struct Matrix {
    uint32_t rows = 0, cols = 0;
    const WeightFormat* format = nullptr;
    double bytes = 0;  // all of it, as the engine holds it
    double read = 0;   // of those, without what aligns panels
  };
  // `formats` as the declarations; null for vectors. `fragments`: as a GPU holds them.
  Matrices(const ModelSpec& spec, const std::vector<WeightDecl>& decls,
           const std::vector<const WeightFormat*>& formats, bool fragments);
  // Every matrix in one format.
  Matrices(const ModelSpec& spec, const WeightFormat& format, bool fragments);

  // The output matrix is the embedding where the model ties them.
  const Matrix& of(WeightRef ref) const;
  double parameters() const { return parameters_; }  // of matrices and vectors
  double bytes() const { return bytes_; }

 private:
  void Add(const WeightDecl& d, const WeightFormat* format, bool fragments);
  const ModelSpec& spec_;
  std::vector<Matrix> matrices_;  // [role][layer]
  double parameters_ = 0, bytes_ = 0;
};

struct CostOptions {
  double activation_bytes = 4;
  bool gpu = false;                // ops merged as the GPU's executor runs them
  const KvCodec* codec = nullptr;  // null: float16
  // Query vectors of one KV head that share one reading of keys and values from memory: a property of the attention kernel,
  // where the cache does not keep them between two. 0: all of a sequence.
  uint32_t attention_tile = 0;
  // Positions that a query of global attention reads at most, with a budget; the centroids it chooses them by, a share of
  // the context. 0: all, none.
  uint32_t budget = 0;
  double centroids = 0;
  // Adapters of this rank on every product of a layer; how many distinct ones the step holds. 0: none.
  uint32_t lora_rank = 0, lora_adapters = 0;

  // As this engine computes: float32 activations on a processor; float16 and tiles of 128 queries on a GPU.
  static CostOptions On(bool gpu) {
    CostOptions o;
    if (gpu) {
      o.activation_bytes = 2;
      o.attention_tile = 128;
      o.gpu = true;
    }
    return o;
  }
};

// Every op in order, on its own.
std::vector<OpCost> PriceEach(const ModelSpec& spec, const Matrices& matrices, const Workload& work,
                              const CostOptions& options);
// Every op of Fuse(BuildOps(spec)), or of what the GPU makes of it; those that are alike in all layers as one.
std::vector<OpCost> Price(const ModelSpec& spec, const Matrices& matrices, const Workload& work,
                          const CostOptions& options);
Cost Total(const std::vector<OpCost>& ops);

// (query, key) pairs of a sequence: causal, of a window where it is not 0; an encoder's all see all.
double Pairs(const SequenceWork& s, bool causal, uint32_t window);

// Bytes of keys and values of one position in all layers.
double CacheBytes(const ModelSpec& spec, const KvCodec& codec);

}  // namespace wring::analyze
