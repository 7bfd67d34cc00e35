// Runs the op list of a step on the device that holds the weights. One executor belongs to one thread (the engine thread).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "base/touched.h"
#include "kernels/cpu/isa.h"
#include "kernels/registry.h"
#include "kv/layout.h"
#include "kv/page_pool.h"
#include "model/draw.h"
#include "model/op_list.h"
#include "model/step.h"
#include "model/weights.h"
#include "ranks/link.h"

namespace wring {

struct ExecutorOptions {
  bool exact = false;       // float32 activations everywhere; the CPU's alone
  bool invariant = false;   // the GPU: bits do not depend on what else is in the step (contract 7)
  uint32_t max_rows = 256;  // rows a step may have; activations are allocated for these
  uint32_t positions = 0;   // that a sequence may have; 0: the model's context. RoPE scalings ask
  const cpu::Kernels* kernels = nullptr;  // the best of this machine when null
  Link* link = nullptr;  // of a divided model: how its ranks meet; must outlive the executor
};

// Rows of a step where nobody says how many: a GPU reads its weights for many more at once.
inline uint32_t DefaultRows(const Device& device) {
  return device.kind() == DeviceKind::kHost ? 256 : 2048;
}

// How the cache of a model lies in the pool of the device that computes it (of the GPU, where the host computes some of the
// layers).
Result<KvLayout> CacheLayout(const ModelSpec& spec, CodecId codec);

class Executor {
 public:
  // For the weights' device, which must be the pool's. Fails when a kernel that the model needs is not registered. The
  // referenced objects must outlive it.
  static Result<std::unique_ptr<Executor>> Create(const ModelSpec& spec, const Weights& weights,
                                                  const KvLayouts& layouts, PagePool& pool,
                                                  ThreadPool& threads,
                                                  const ExecutorOptions& options);
  virtual ~Executor() = default;

  // Computes the step: writes its keys and values, and the logits of row r with sampling slot s to
  // logits + s * logits_stride(), in host memory. An encoder writes a vector there instead, of the sequence whose last
  // row has the slot; all rows of a sequence stand in one step then. Rows were checked by the scheduler. Fails only when
  // the device does.
  virtual Status Run(const Step& step, float* logits) = 0;
  // Whether RunAndDraw() works: the device draws tokens itself.
  virtual bool draws() const { return false; }
  // The same, but slots that `plan` says are drawn on the device give tokens[slot] and no logits.
  virtual Status RunAndDraw(const Step& step, const PlanDraws& plan, float* logits,
                            int32_t* tokens);
  // As a server decodes: each slot's most likely token, drawn where the logits lie; tokens[slot] is unset where the device
  // does not draw.
  Status RunGreedily(const Step& step, float* logits, int32_t* tokens);
  // kCorrupt when these logits, of one slot, are not finite.
  static Status CheckFinite(const float* logits);
  static Status NotFinite();

  // What the ops of a step cost: on a GPU by kind; on the processor each of ops() in order. Every rank calls it at once.
  // `repeat`: runs after one that prepares; 0, on the processor: a single one.
  struct OpTime {
    std::string name;
    uint32_t count = 0;        // in a step
    double seconds = 0;        // of one
    double bytes = 0;          // that one must read: weights or cache
    touched::Bytes touched{};  // by one, in a build that counts them
  };
  virtual Result<std::vector<OpTime>> TimeOps(const Step& step, int repeat);

  // Of a front: where it leaves the residual stream of a step's rows; of a back: where it takes it from. Host memory.
  virtual float* hidden() { return nullptr; }
  virtual uint64_t hidden_stride() const { return 0; }

  // Where the caller's logits lie best.
  virtual Device& logits_memory() const { return HostDevice(); }

  uint64_t logits_stride() const { return RoundUp<uint64_t>(spec_.outputs(), 16); }
  uint32_t max_rows() const { return options_.max_rows; }
  const std::vector<Op>& ops() const { return ops_; }
  const ModelSpec& spec() const { return spec_; }

 protected:
  Executor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts, PagePool& pool,
           const ExecutorOptions& options);
  // Asks the registry for every op of the list.
  Status CheckKernels(const std::string& device,
                      const std::function<Arithmetic(const PackedMatrix&)>& arithmetic) const;
  static uint32_t SelectedRows(const Step& step);
  bool IsCollective(const Op& op) const {
    return op.kind == OpKind::kGather || op.kind == OpKind::kReduce;
  }

  const ModelSpec spec_;  // local
  const Weights& weights_;
  const KvLayouts layouts_;
  PagePool& pool_;
  const ExecutorOptions options_;
  const std::vector<Op> ops_;
};

}  // namespace wring
