// One sequence over a model: appends tokens, gives logits. Belongs to one thread at a time; sessions of
// one model must not run at the same time, since they share its threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/cancel_token.h"
#include "base/progress.h"
#include "engine/model.h"
#include "kv/page_pool.h"
#include "kv/sequence_kv.h"
#include "model/executor.h"

namespace wring {

struct SessionOptions {
  uint32_t context = 0;              // positions; 0: the model's, at most 8192
  CodecId kv_codec = CodecId::kF16;  // ignored when exact: float32 then
  bool exact = false;                // float32 activations and KV
  bool invariant = false;            // on a GPU: bits depend on the request alone
  uint32_t chunk = 0;                // rows a prefill step; 0: 256, on a GPU 2048
};

class Session {
 public:
  // kLimit when `context` is more than the model's, or memory does not suffice.
  static Result<std::unique_ptr<Session>> Create(Model& model, const SessionOptions& options);

  uint32_t length() const { return kv_->length(); }
  uint32_t context() const { return context_; }
  Model& model() { return model_; }
  PagePool& pool() { return *pool_; }

  // Appends tokens and returns the logits after the last one (vocab floats, valid until the next call).
  // Chunks of options.chunk rows; cancelled between chunks with kCancelled (what was computed stays).
  // kLimit when the context would be exceeded, and nothing is computed then.
  Result<std::span<const float>> Append(std::span<const int32_t> tokens,
                                        const CancelToken* cancel = nullptr,
                                        Progress* progress = nullptr);
  // The same where the device draws the next token itself: `plan` says how. kInternal unless draws().
  bool draws() const { return executor_->draws(); }
  struct Drawn {
    bool on_device = false;
    int32_t token = 0;                // when it was
    std::span<const float> logits{};  // when not
  };
  Result<Drawn> AppendAndDraw(std::span<const int32_t> tokens,
                              const std::function<void(SlotDraw*)>& plan,
                              const CancelToken* cancel = nullptr, Progress* progress = nullptr);
  // The same, giving the logits of every token: each(index in tokens, logits).
  Status AppendAll(std::span<const int32_t> tokens,
                   const std::function<void(size_t, std::span<const float>)>& each,
                   const CancelToken* cancel = nullptr, Progress* progress = nullptr);
  // Forgets positions >= length.
  void Truncate(uint32_t length) { kv_->Truncate(length); }

 private:
  Session(Model& model, uint32_t context, const SessionOptions& options)
      : model_(model), context_(context), options_(options) {}
  Status Check(std::span<const int32_t> tokens) const;
  using PlanDraw = std::function<void(SlotDraw*)>;
  // Logits of all rows, of the last, or of the last as `plan` says.
  Status RunChunk(std::span<const int32_t> tokens, bool all, bool last,
                  const PlanDraw* plan = nullptr);
  Status AppendChunks(std::span<const int32_t> tokens, const PlanDraw* plan,
                      const CancelToken* cancel, Progress* progress);

  Model& model_;
  uint32_t context_;
  SessionOptions options_;
  KvLayout layout_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<SequenceKv> kv_;
  std::unique_ptr<Executor> executor_;
  Drawn drawn_;
  Buffer logits_;  // [1 or rows of an AppendAll chunk][stride]
};

}  // namespace wring
