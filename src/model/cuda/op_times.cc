// CudaExecutor::TimeOps: the per-op table of `wring bench`.
#include <cuda_runtime.h>

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "model/cuda/cuda_executor.h"

namespace wring {
Executor::OpTime CudaExecutor::Describe(const Stage& stage, const Step& step) const {
  OpTime t;
  switch (stage.work) {
    case Work::kEmbed: t.name = "embed"; break;
    case Work::kNorm: t.name = "norm"; break;
    case Work::kAppend: t.name = "rope, append"; break;
    case Work::kAdd: t.name = "add"; break;
    case Work::kSoftCap: t.name = "soft cap"; break;
    case Work::kMeet:
      t.name = std::string(OpName(stage.op->kind));
      if (stage.joins && NormsInMeeting()) t.name += ", norm";
      break;
    case Work::kAttend: {
      t.name = step_.fused ? "rope, append, attend" : "attend";
      const uint32_t window = spec_.layer_window(stage.op->layer);
      if (window != 0) t.name += " (window)";
      // Every position that the last row of a sequence sees, once.
      for (size_t r = 0; r < step.rows.size(); ++r) {
        const StepRow& row = step.rows[r];
        if (r + 1 < step.rows.size() && step.rows[r + 1].sequence == row.sequence) continue;
        const uint32_t seen = row.position + 1;
        const KvLayout& l = layouts_.of(step.sequences[row.sequence].segments[0].codec);
        t.bytes += static_cast<double>(window == 0 ? seen : std::min(seen, window)) *
                   static_cast<double>(l.layer_bytes) / kBlockTokens;
      }
      break;
    }
    case Work::kLinear:
      for (const LinearPart& p : stage.op->parts) {
        t.name += t.name.empty() ? "" : ", ";
        t.name += MatrixName(p.weight.role);
        t.bytes += static_cast<double>(weights_.fragments(p.weight).bytes());
      }
      if (stage.norm != kNoStage && FusesNorm(stages_[stage.norm])) t.name = "norm, " + t.name;
      if (stage.gated != nullptr) t.name += ", gate";
      break;
  }
  return t;
}

Result<double> CudaExecutor::TimeStages(const std::vector<const Stage*>& stages, int repeat,
                                        bool alone) {
  // Starting a graph takes as long as some launches, so few stages are run several times in one.
  constexpr size_t kLaunches = 64;
  const size_t rounds = CeilDiv(kLaunches, stages.size());
  WRING_ASSIGN(CUgraphExec_st * executable, Record([&] {
                 launcher_.error = 0;
                 for (size_t i = 0; i < rounds; ++i) {
                   for (const Stage* s : stages) WRING_TRY(RunStage(*s, alone));
                 }
                 if (meeting_ != nullptr) WRING_TRY(meeting_->Finish(launcher_));
                 return launcher_.status();
               }));
  if (meeting_ != nullptr) WRING_TRY(meeting_->Ready());
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  std::vector<double> seconds;
  for (int i = 0; i <= repeat; ++i) {
    cudaEventRecord(begin, device_.stream());
    cudaGraphLaunch(executable, device_.stream());
    cudaEventRecord(end, device_.stream());
    cudaEventSynchronize(end);
    float ms = 0;
    cudaEventElapsedTime(&ms, begin, end);
    if (i > 0) seconds.push_back(ms / 1e3 / static_cast<double>(rounds));
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  cudaGraphExecDestroy(executable);
  WRING_TRY(device_.Synchronize());
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  return seconds[seconds.size() / 2];
}

Result<std::vector<Executor::OpTime>> CudaExecutor::TimeOps(const Step& step, int repeat) {
  if (meeting_ != nullptr && !meeting_->on_stream()) {
    return Error(Code::kUnsupported,
                 "ops of ranks that share a GPU cannot be timed: leave out --ops");
  }
  device_.Use();
  rows_ = static_cast<uint32_t>(step.rows.size());
  selected_ = SelectedRows(step);
  WRING_TRY(step_.Build(step));
  WRING_TRY(Reserve(floats_[static_cast<size_t>(Slot::kLogits)],
                    uint64_t{std::max(selected_, 1U)} * logits_stride() * sizeof(float)));
  WRING_TRY(Upload());
  if (meeting_ != nullptr) {
    WRING_TRY(ReserveMeeting());
    WRING_TRY(Rehearse());
    WRING_TRY(meeting_->Ready());
  }
  WRING_TRY(Launch());  // what is prepared on first use is prepared
  WRING_TRY(device_.Synchronize());
  struct Kind {
    OpTime time;
    std::vector<const Stage*> stages;
  };
  std::vector<Kind> kinds;
  const bool sends = SendsSums();
  const Stage* sending = nullptr;  // the product before, where it sends
  for (const Stage& stage : stages_) {
    if (stage.feeds && FusesNorm(stage)) continue;
    if (stage.work == Work::kNorm && NormsInMeeting(stage)) continue;
    if (stage.work == Work::kAppend && step_.fused) continue;
    const OpTime t = Describe(stage, step);
    const auto same = [&](const Kind& k) {
      return k.time.name == t.name && k.time.bytes == t.bytes;
    };
    const auto at = std::find_if(kinds.begin(), kinds.end(), same) - kinds.begin();
    if (static_cast<size_t>(at) == kinds.size()) kinds.push_back({t, {}});
    Kind& kind = kinds[static_cast<size_t>(at)];
    ++kind.time.count;
    // An exchange takes what a product before it has sent, so it is what the two take without what that takes alone.
    if (sending != nullptr) kind.stages.push_back(sending);
    kind.stages.push_back(&stage);
    sending = sends && stage.work == Work::kLinear && stage.joins ? &stage : nullptr;
  }
  std::map<const Stage*, double> alone;
  std::vector<OpTime> times;
  for (Kind& k : kinds) {
    const bool meets = k.stages.size() > k.time.count;
    WRING_ASSIGN(double all, TimeStages(k.stages, repeat, sends && !meets));
    for (const Stage* s : k.stages) {
      if (meets && s->work == Work::kLinear) all -= alone[s];
    }
    k.time.seconds = std::max(0.0, all / k.time.count);
    for (const Stage* s : k.stages) {
      if (!meets) alone[s] = k.time.seconds;
    }
    times.push_back(k.time);
  }
  return times;
}

}  // namespace wring
