// CudaExecutor: tokens drawn where the logits are.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>

#include "kernels/cuda/draw.h"
#include "model/cuda/cuda_executor.h"

namespace wring {

Status CudaExecutor::RunAndDraw(const Step& step, const PlanDraws& plan, float* logits,
                                int32_t* tokens) {
  WRING_TRY(Compute(step));
  draws_.assign(selected_, SlotDraw());
  if (selected_ > 0) plan(&draws_);
  for (uint32_t slot = 0; slot < selected_; ++slot) {
    if (!draws_[slot].on_device) WRING_TRY(CopyLogits(slot, 1, logits));
  }
  WRING_TRY(LaunchDraws());
  WRING_TRY(Finish());
  for (uint32_t slot = 0; slot < selected_; ++slot) {
    if (draws_[slot].on_device) tokens[slot] = tokens_.as<int32_t>()[slot];
  }
  return {};
}

// Everything that the draws need goes in one copy: their arguments, then edits and masks.
Status CudaExecutor::LaunchDraws() {
  uint32_t count = 0;
  uint64_t bytes = 0;
  for (const SlotDraw& d : draws_) {
    if (!d.on_device) continue;
    ++count;
    bytes += sizeof(cuda::DrawArg) + d.edits.size() * sizeof(LogitEdit) +
             d.allowed.size() * sizeof(uint32_t);
  }
  if (count == 0) return {};
  const uint64_t token_bytes = draws_.size() * sizeof(int32_t);
  WRING_TRY(Reserve(draw_tables_, bytes));
  WRING_TRY(Reserve(tokens_there_, token_bytes));
  if (draw_staging_.size() < bytes) {
    WRING_ASSIGN(draw_staging_, PinnedHost().Allocate(draw_tables_.size()));
  }
  if (tokens_.size() < token_bytes) {
    WRING_ASSIGN(tokens_, PinnedHost().Allocate(tokens_there_.size()));
  }
  static_assert(sizeof(cuda::EditArg) == sizeof(LogitEdit) && sizeof(cuda::DrawArg) % 4 == 0);
  auto* args = draw_staging_.as<cuda::DrawArg>();
  uint64_t at = count * sizeof(cuda::DrawArg);
  const auto put = [&](const auto& values) {
    const uint64_t size = values.size() * sizeof(values[0]);
    std::memcpy(draw_staging_.data() + at, values.data(), size);
    const std::byte* there = draw_tables_.data() + at;
    at += size;
    return there;
  };
  for (uint32_t slot = 0; slot < draws_.size(); ++slot) {
    const SlotDraw& d = draws_[slot];
    if (!d.on_device) continue;
    cuda::DrawArg a = {};
    a.seed = d.seed;
    a.logits = floats(Slot::kLogits) + slot * logits_stride();
    a.edit_count = static_cast<uint32_t>(d.edits.size());
    if (!d.edits.empty()) a.edits = reinterpret_cast<const cuda::EditArg*>(put(d.edits));
    a.allowed_words = static_cast<uint32_t>(d.allowed.size());
    if (!d.allowed.empty()) a.allowed = reinterpret_cast<const uint32_t*>(put(d.allowed));
    a.temperature = d.temperature;
    a.top_k = d.top_k;
    a.top_p = d.top_p;
    a.min_p = d.min_p;
    a.repetition_penalty = d.repetition_penalty;
    a.presence_penalty = d.presence_penalty;
    a.frequency_penalty = d.frequency_penalty;
    a.choice = d.choice;
    a.position = d.position;
    a.token = tokens_there_.as<int32_t>() + slot;
    *args++ = a;
  }
  WRING_TRY(CudaStatus(cudaMemcpyAsync(draw_tables_.data(), draw_staging_.data(), at,
                                       cudaMemcpyHostToDevice, device_.stream()),
                       "copying the draws"));
  launcher_.error = 0;
  cuda::DrawTokens(launcher_, draw_tables_.as<cuda::DrawArg>(), count, spec_.vocab);
  WRING_TRY(launcher_.status());
  return CudaStatus(cudaMemcpyAsync(tokens_.data(), tokens_there_.data(), token_bytes,
                                    cudaMemcpyDeviceToHost, device_.stream()),
                    "copying tokens");
}

}  // namespace wring
