#include "engine/session.h"

#include <algorithm>

namespace wring {
namespace {

constexpr uint32_t kDefaultContext = 8192;
// Rows whose logits are computed at once when all are wanted: a vocabulary of 150,000 takes 38 MB then.
constexpr uint32_t kAllRows = 64;

}  // namespace

Result<std::unique_ptr<Session>> Session::Create(Model& model, const SessionOptions& options) {
  const ModelSpec& spec = model.spec;
  if (!spec.causal) {
    return Error(Code::kUnsupported,
                 "{} is an encoder and generates no text: use wring embed, or another model",
                 model.name);
  }
  const uint32_t context =
      options.context == 0 ? std::min(spec.context, kDefaultContext) : options.context;
  if (context > spec.context) {
    return Error(
        Code::kLimit,
        "a context of {} is more than the {} positions {} was trained for: ask for at most {}",
        context, spec.context, model.name, spec.context);
  }
  std::unique_ptr<Session> s(new Session(model, context, options));
  const CodecId codec = options.exact ? CodecId::kF32 : options.kv_codec;
  WRING_ASSIGN(s->layout_, CacheLayout(spec, codec));
  WRING_ASSIGN(s->pool_, PagePool::Create(model.weights->device(), s->layout_.pool_bytes(context)));
  s->kv_ = std::make_unique<SequenceKv>(s->pool_.get(), &s->layout_);
  ExecutorOptions executor;
  executor.exact = options.exact;
  executor.invariant = options.invariant;
  executor.max_rows = options.chunk != 0 ? options.chunk : DefaultRows(model.weights->device());
  executor.positions = context;
  WRING_ASSIGN(s->executor_, MakeExecutor(model, KvLayouts(s->layout_), *s->pool_, executor));
  return s;
}

Status Session::Check(std::span<const int32_t> tokens) const {
  if (tokens.empty())
    return Error(Code::kInvalid, "there is nothing to compute: the prompt has no tokens");
  if (tokens.size() > context_ - length()) {
    return Error(Code::kLimit,
                 "{} tokens do not fit: {} of the context's {} positions are left; shorten the "
                 "prompt or ask for a "
                 "larger context",
                 tokens.size(), context_ - length(), context_);
  }
  for (int32_t id : tokens) {
    if (id < 0 || static_cast<uint32_t>(id) >= model_.spec.vocab) {
      return Error(Code::kInvalid,
                   "token {} is outside the model's vocabulary of {}: tokenizer and weights belong "
                   "to different "
                   "models",
                   id, model_.spec.vocab);
    }
  }
  return {};
}

// Runs one chunk; logits of all rows, or of the last when `last`, land in logits_.
Status Session::RunChunk(std::span<const int32_t> tokens, bool all, bool last,
                         const PlanDraw* plan) {
  const uint32_t start = length();
  WRING_TRY(kv_->Extend(start + static_cast<uint32_t>(tokens.size())));
  Step step;
  step.sequences.push_back(kv_->View());
  for (size_t i = 0; i < tokens.size(); ++i) {
    StepRow row;
    row.position = start + static_cast<uint32_t>(i);
    row.token = tokens[i];
    if (all) {
      row.sampling_slot = static_cast<int32_t>(i);
    } else if (last && i + 1 == tokens.size()) {
      row.sampling_slot = 0;
    }
    step.rows.push_back(row);
  }
  const uint64_t bytes = (all ? kAllRows : 1) * executor_->logits_stride() * sizeof(float);
  if (logits_.size() < bytes) {
    WRING_ASSIGN(logits_, executor_->logits_memory().Allocate(bytes));
  }
  drawn_ = Drawn();
  const auto run = [&] {
    if (plan == nullptr || !last) return executor_->Run(step, logits_.as<float>());
    return executor_->RunAndDraw(
        step,
        [&](std::vector<SlotDraw>* draws) {
          (*plan)(draws->data());
          drawn_.on_device = (*draws)[0].on_device;
        },
        logits_.as<float>(), &drawn_.token);
  };
  if (Status ran = run(); !ran.ok()) {
    kv_->Truncate(start);
    return ran;
  }
  if (drawn_.on_device) return {};
  const uint32_t slots = all ? static_cast<uint32_t>(tokens.size()) : last ? 1 : 0;
  for (uint32_t s = 0; s < slots; ++s) {
    Status status = Executor::CheckFinite(logits_.as<float>() + s * executor_->logits_stride());
    if (!status.ok()) {
      kv_->Truncate(start);
      return status;
    }
  }
  return {};
}

Status Session::AppendChunks(std::span<const int32_t> tokens, const PlanDraw* plan,
                             const CancelToken* cancel, Progress* progress) {
  WRING_TRY(Check(tokens));
  const size_t total = tokens.size();
  for (size_t done = 0; done < total;) {
    if (cancel != nullptr && cancel->cancelled()) return Error(Code::kCancelled, "cancelled");
    const size_t n = std::min<size_t>(executor_->max_rows(), total - done);
    WRING_TRY(RunChunk(tokens.subspan(done, n), false, done + n == total, plan));
    done += n;
    if (progress != nullptr) progress->Report("reading the prompt", done, total);
  }
  return {};
}

Result<std::span<const float>> Session::Append(std::span<const int32_t> tokens,
                                               const CancelToken* cancel, Progress* progress) {
  WRING_TRY(AppendChunks(tokens, nullptr, cancel, progress));
  return std::span<const float>(logits_.as<float>(), model_.spec.vocab);
}

Result<Session::Drawn> Session::AppendAndDraw(std::span<const int32_t> tokens, const PlanDraw& plan,
                                              const CancelToken* cancel, Progress* progress) {
  WRING_TRY(AppendChunks(tokens, &plan, cancel, progress));
  if (!drawn_.on_device) drawn_.logits = {logits_.as<float>(), model_.spec.vocab};
  return drawn_;
}

Status Session::AppendAll(std::span<const int32_t> tokens,
                          const std::function<void(size_t, std::span<const float>)>& each,
                          const CancelToken* cancel, Progress* progress) {
  WRING_TRY(Check(tokens));
  for (size_t done = 0; done < tokens.size();) {
    if (cancel != nullptr && cancel->cancelled()) return Error(Code::kCancelled, "cancelled");
    const size_t n = std::min<size_t>({kAllRows, executor_->max_rows(), tokens.size() - done});
    WRING_TRY(RunChunk(tokens.subspan(done, n), true, true));
    for (size_t i = 0; i < n; ++i) {
      each(done + i, std::span<const float>(logits_.as<float>() + i * executor_->logits_stride(),
                                            model_.spec.vocab));
    }
    done += n;
    if (progress != nullptr) progress->Report("computing", done, tokens.size());
  }
  return {};
}

}  // namespace wring
