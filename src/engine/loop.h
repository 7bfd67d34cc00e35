// The engine's loop: one thread that owns pool, prefix cache, executor and every request in flight.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/engine.h"
#include "engine/flight.h"
#include "engine/wait_queue.h"
#include "kv/prefix_cache.h"
#include "model/executor.h"

namespace wring {

class Engine::Loop {
 public:
  static Result<std::unique_ptr<Loop>> Create(Model& model, const EngineOptions& options,
                                              uint32_t context, EngineObserver* observer);
  ~Loop();

  // Any thread.
  std::optional<Refusal> Submit(std::shared_ptr<Flight> flight);
  void Post(std::function<void()> work);
  size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

  const KvLayouts& layouts() const { return layouts_; }
  uint64_t pool_bytes() const { return pool_->total_bytes(); }
  void ClearPrefixCache() { cache_->Clear(); }  // engine thread

 private:
  // Rows of one branch in the step that is planned.
  struct Planned {
    Branch* branch;
    uint32_t first;  // position
    uint32_t rows;
    int32_t slot;  // of the first row that has one; -1: none
    uint32_t slots;
  };
  // An answer that takes a token after the step.
  struct Draw {
    Branch* branch;
    int32_t slot;
    bool on_device;
    Delta delta;
    Result<std::optional<int32_t>> token;
  };

  Loop(Model& model, const EngineOptions& options, uint32_t context, EngineObserver* observer)
      : model_(model),
        options_(options),
        context_(context),
        observer_(observer),
        pretence_(options.pretence),
        admission_(options.admission) {}
  Clock::time_point Now() const {
    return pretence_ != nullptr ? pretence_->clock.Now() : system_.Now();
  }
  Status Allocate();
  Status OpenSpill();
  Status WarmUp();
  void Main();
  void Turn();
  void Report();

  // loop.cc
  bool Receive();  // false: the end
  void Sweep();
  void EndFlight(Flight& flight, const Status& status);
  void DropEnded();
  std::unique_ptr<Branch> NewBranch(const std::shared_ptr<Flight>& flight, uint32_t choice);

  // plan.cc
  void Plan();
  bool Add(Branch& branch, uint32_t rows);
  bool Reserve(Branch& branch, uint32_t length);
  bool Start();
  void Preempt(size_t index);
  bool IsPlanned(const Branch& branch) const;

  // deliver.cc
  Status RunStep();
  void PlanDraws(std::vector<SlotDraw>* draws);
  bool DrawnOnDevice(int32_t slot) const {
    return static_cast<size_t>(slot) < on_device_.size() && on_device_[static_cast<size_t>(slot)];
  }
  void Deliver();
  void KeepColumns(Branch& branch);
  void ScorePrompt(const Planned& planned);
  void FinishPrompt(Branch& branch, int32_t slot, std::vector<Draw>* draws);
  void Handle(Draw& draw);
  void Account(double seconds);
  std::span<const float> Logits(int32_t slot) const;

  Model& model_;
  const EngineOptions options_;
  const uint32_t context_;
  EngineObserver* observer_;
  const Pretence* pretence_;
  const Clock system_;

  KvLayouts layouts_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<SpillStore> spill_;  // null: none
  std::unique_ptr<PrefixCache> cache_;
  std::unique_ptr<Executor> executor_;
  Buffer logits_;
  uint32_t slots_ = 0;  // that logits_ has room for

  WaitQueue<std::unique_ptr<Branch>> waiting_;
  std::vector<std::unique_ptr<Branch>> running_;  // by (priority, turn of entry)
  Step step_;
  std::vector<Planned> planned_;
  uint32_t slots_used_ = 0;
  std::vector<bool> on_device_;  // [slot]: its token was drawn there, its logits are not here
  std::vector<int32_t> tokens_;  // [slot]
  EngineReport report_;
  std::string identity_;    // what makes bits differ beside the tokens
  double row_seconds_ = 0;  // of a prompt's rows, as last measured

  mutable std::mutex mutex_;  // what follows
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Flight>> incoming_;
  std::deque<std::function<void()>> work_;
  Admission admission_;
  bool stop_ = false;
  std::atomic<size_t> in_flight_{0};
  std::thread thread_;
};

}  // namespace wring
