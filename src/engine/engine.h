// Continuous batching: many requests over one model, one pool, one executor. A thread of its own plans a step, runs
// it, advances the answers that it computed logits for, and begins again (docs/architecture.md, "A request's way").
//
// Promise (contract 7, invariant grade): what a request answers does not depend on what runs beside it, on how its
// prompt was cut, on what was cached, or on whether it was preempted.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "engine/admission.h"
#include "engine/model.h"
#include "engine/request.h"
#include "kv/page_pool.h"
#include "kv/spill_store.h"

namespace wring {

inline constexpr uint64_t kAutoSpill = UINT64_MAX;

// A replay: steps are computed by nobody and take as long as is said, on a clock that is set (planner/replay.h). Everything
// else is the engine itself.
struct Pretence {
  const Clock& clock;
  std::function<Result<std::unique_ptr<Executor>>(Model&, const KvLayouts&, PagePool&,
                                                  const ExecutorOptions&)>
      executor;
};

struct EngineOptions {
  uint32_t context = 0;           // most positions a sequence; 0: the model's
  uint64_t pool_bytes = 0;        // 0: sixteen contexts, at most a quarter of the device's memory
  CodecId codec = CodecId::kF16;  // of requests that name none
  std::vector<CodecId> codecs = {CodecId::kF32, CodecId::kF16,
                                 CodecId::kI8};  // that requests may name
  bool exact = false;                            // float32 activations; the codec is then float32
  bool invariant = false;   // on a GPU: bits depend on the request alone; slower
  uint32_t rows = 0;        // most rows a step: decode rows and prompt chunks; 0: DefaultRows()
  uint32_t sequences = 64;  // most answers that run at once
  bool prefix_cache = true;
  // Where cached prefixes go that the pool has no room for. memory_bytes kAutoSpill: a quarter of the free host memory, at
  // most 16 GiB, for a GPU's pool; nothing for the host's.
  SpillOptions spill = {kAutoSpill, "", 0, false};
  AdmissionLimits admission;
  const Pretence* pretence = nullptr;  // must outlive the engine
};

// How things stand after a turn of the loop.
struct EngineReport {
  double seconds = 0;  // of the step, if there was one
  uint32_t prompt_rows = 0, decode_rows = 0;
  uint32_t drawn = 0;  // tokens of answers
  uint32_t running = 0, waiting = 0;
  uint64_t preempted = 0;  // since the start
  uint64_t prefix_queries = 0,
           prefix_hits = 0;  // prompt tokens looked up and found, since the start
  std::array<uint64_t, kPoolOwners> pool_used{};
  uint64_t pool_free = 0, pool_waste = 0;
  uint64_t spilled_memory = 0, spilled_folder = 0;  // bytes
  uint64_t restored = 0;                            // columns that came back, since the start
  uint64_t pool_freeable = 0;                       // of prefix_cache: what no running answer uses
};

// Times of a request that ended, in seconds.
struct RequestReport {
  Status status;
  Usage usage;
  double queued = 0, first_token = 0, total = 0;  // first_token 0: none came
};

// Watches the engine, on its thread: must not block.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnStep(const EngineReport& report) = 0;
  virtual void OnTokenGap(double seconds) = 0;  // between two tokens of an answer
  virtual void OnRequest(const RequestReport& report) = 0;
};

class Engine {
 public:
  // `model` and `observer` (may be null) must outlive it; nobody else may compute with the model meanwhile.
  static Result<std::unique_ptr<Engine>> Create(Model& model, const EngineOptions& options,
                                                EngineObserver* observer = nullptr);
  // Ends what runs and waits with kCancelled.
  ~Engine();

  // Takes a request; any thread. What cannot be computed at all is kInvalid or kLimit with retry_after 0; what is
  // refused because of the load is kLimit with the seconds to wait. The listener hears nothing of a refused request.
  std::optional<Refusal> Submit(EngineRequest request, std::shared_ptr<EngineListener> listener);

  // Runs `work` on the engine thread between two steps, with the model's threads to itself; any thread. Work that was
  // not done when the engine ends is dropped.
  void Run(std::function<void()> work);
  // Frees cached prefixes that no sequence uses.
  void ClearPrefixCache();

  uint32_t context() const { return context_; }
  CodecId codec() const { return options_.codec; }
  const Model& model() const { return model_; }
  // Requests that wait or run.
  size_t in_flight() const;
  uint64_t pool_bytes() const;

 private:
  class Loop;
  Engine(Model& model, const EngineOptions& options);
  std::optional<Refusal> Check(const EngineRequest& request) const;

  Model& model_;
  EngineOptions options_;
  uint32_t context_ = 0;
  std::unique_ptr<Loop> loop_;
};

}  // namespace wring
