#include "model/executor.h"

#include <algorithm>
#include <cmath>

#include "model/cpu/cpu_executor.h"
#include "model/shard.h"
#ifdef WRING_CUDA
#include "model/cuda/cuda_executor.h"
#endif

namespace wring {

Executor::Executor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
                   PagePool& pool, const ExecutorOptions& options)
    : spec_(LocalSpec(spec)),
      weights_(weights),
      layouts_(layouts),
      pool_(pool),
      options_(options),
      ops_(Fuse(BuildOps(spec_))) {
  assert(!spec_.sharding.divided() || options_.link != nullptr);
}

Result<std::unique_ptr<Executor>> Executor::Create(const ModelSpec& spec, const Weights& weights,
                                                   const KvLayouts& layouts, PagePool& pool,
                                                   ThreadPool& threads,
                                                   const ExecutorOptions& options) {
#ifdef WRING_CUDA
  if (weights.device().kind() == DeviceKind::kCuda)
    return CudaExecutor::Create(spec, weights, layouts, pool, options);
#endif
  return CpuExecutor::Create(spec, weights, layouts, pool, threads, options);
}

Status Executor::CheckKernels(
    const std::string& device,
    const std::function<Arithmetic(const PackedMatrix&)>& arithmetic) const {
  const auto& registry = KernelRegistry::Get();
  KernelEntry key;
  key.device = device;
  for (const Op& op : ops_) {
    key.op = op.kind;
    key.format.reset();
    key.arithmetic.reset();
    key.codec.reset();
    if (op.kind == OpKind::kEmbed) key.format = weights_.matrix(op.weight).format->id();
    if (op.kind == OpKind::kKvAppend || op.kind == OpKind::kAttend) {
      for (size_t c = 0; c < kCodecCount; ++c) {
        key.codec = static_cast<CodecId>(c);
        if (layouts_.has(*key.codec)) WRING_TRY(registry.Find(key));
      }
      continue;
    }
    if (IsCollective(op)) continue;  // the link's
    if (op.kind != OpKind::kLinear) {
      WRING_TRY(registry.Find(key));
      continue;
    }
    for (const LinearPart& p : op.parts) {
      const PackedMatrix& m = weights_.matrix(p.weight);
      key.format = m.format->id();
      key.arithmetic = arithmetic(m);
      WRING_TRY(registry.Find(key));
    }
  }
  return {};
}

Status Executor::RunGreedily(const Step& step, float* logits, int32_t* tokens) {
  if (!draws()) return Run(step, logits);
  const PlanDraws plan = [](std::vector<SlotDraw>* all) {
    for (SlotDraw& d : *all) d.on_device = true;
  };
  return RunAndDraw(step, plan, logits, tokens);
}

Result<std::vector<Executor::OpTime>> Executor::TimeOps(const Step& /*step*/, int /*repeat*/) {
  return Error(Code::kUnsupported, "ops are timed on a GPU: add --device cuda");
}

uint32_t Executor::SelectedRows(const Step& step) {
  return static_cast<uint32_t>(std::count_if(
      step.rows.begin(), step.rows.end(), [](const StepRow& r) { return r.sampling_slot >= 0; }));
}

Status Executor::CheckFinite(const float* logits) {
  // One NaN or infinity in any activation reaches every logit through the norms.
  return std::isfinite(logits[0]) ? Status() : NotFinite();
}

Status Executor::RunAndDraw(const Step& /*step*/, const PlanDraws& /*plan*/, float* /*logits*/,
                            int32_t* /*tokens*/) {
  return Error(Code::kInternal, "this device draws no tokens: report it");
}

Status Executor::NotFinite() {
  return Error(
      Code::kCorrupt,
      "the model produced values that are not finite: its weights are damaged, get them again");
}

}  // namespace wring
