// The executor on the CPU: the engine thread lends it the pool's workers for the length of an op.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/isa.h"
#include "model/executor.h"

namespace wring {

class CpuExecutor final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> Create(const ModelSpec& spec, const Weights& weights,
                                                  const KvLayouts& layouts, PagePool& pool,
                                                  ThreadPool& threads,
                                                  const ExecutorOptions& options);
  Status Run(const Step& step, float* logits) override;
  Result<std::vector<OpTime>> TimeOps(const Step& step, int repeat) override;
  float* hidden() override { return slot(Slot::kHidden); }
  uint64_t hidden_stride() const override { return stride(Slot::kHidden); }

 private:
  struct RopeTable {
    RopeFrequencies frequencies;
    std::vector<float> cos, sin;  // [rows][frequencies]
    size_t half() const { return frequencies.inverse.size(); }
  };

  CpuExecutor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
              PagePool& pool, ThreadPool& threads, const ExecutorOptions& options);
  Status Allocate();

  static constexpr uint64_t kSerialWork = cpu::kSerialWork;

  // What Run() does before its ops.
  void Begin(const Step& step, float* logits);
  void RunOp(const Op& op, const Step& step);
  Status Meet(const Op& op);
  void Embed(const Op& op, const Step& step);
  void Norm(const Op& op);
  void HeadNorm(const Op& op);
  void Activate(const Op& op);
  void SoftCap(const Op& op);
  void Pool(const Op& op, const Step& step);
  void Linear(const Op& op);
  void Rope(const Op& op);
  void Append(const Op& op, const Step& step);
  void Attend(const Op& op, const Step& step);
  void Select(const Op& op, const Step& step);
  void BuildRopeTables(const Step& step);
  // Calls make(first row, rows) for every activation tile.
  template <typename Make>
  void ForTiles(uint32_t rows, uint32_t cols, const Make& make);
  void PrepareInt8(const float* in, uint64_t stride, uint32_t rows, uint32_t cols);
  void PrepareF32(const float* in, uint64_t stride, uint32_t rows, uint32_t cols);

  const RopeTable& rope(uint32_t layer) const { return ropes_[spec_.layer_rope(layer)]; }
  float* slot(Slot s) { return slots_[static_cast<size_t>(s)].as<float>(); }
  uint64_t stride(Slot s) const { return RoundUp<uint64_t>(SlotWidth(spec_, s), 16); }
  uint32_t RowsOf(Slot s) const {
    return s == Slot::kSelected || s == Slot::kLogits ? selected_ : rows_;
  }

  ThreadPool& threads_;
  const cpu::Kernels& kernels_;

  uint32_t rows_ = 0;      // of the step that runs
  uint32_t selected_ = 0;  // rows whose logits are wanted
  float* logits_ = nullptr;
  Buffer slots_[kSlots];
  Buffer int8_q_, int8_scale_, int8_sum_, int8_isum_, f32_tiles_;
  std::vector<Buffer> scratch_;      // one a thread
  std::vector<RopeTable> ropes_;     // as spec.ropes
  std::vector<float> partials_;      // split attention: (max, sum, output) a block
  std::vector<float> shown_, seen_;  // what ranks exchange
};

}  // namespace wring
