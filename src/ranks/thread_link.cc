#include "ranks/thread_link.h"

#include <atomic>
#include <cassert>
#include <cstring>
#include <mutex>

namespace wring {
namespace {

// Where the threads meet. The ops of a step follow within microseconds, so a waiter looks a while before it sleeps.
class Meeting {
 public:
  explicit Meeting(uint32_t ranks) : places(ranks), ranks_(ranks) {}

  Status Meet() {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (failed_.load(std::memory_order_acquire)) return Why();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == ranks_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_acq_rel);
      round_.notify_all();
      return {};
    }
    for (int i = 0; i < kLooks; ++i) {
      if (round_.load(std::memory_order_acquire) != round) break;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    round_.wait(round, std::memory_order_acquire);
    return failed_.load(std::memory_order_acquire) ? Why() : Status();
  }

  void Fail(const Status& why) {
    {
      const std::lock_guard lock(mutex_);
      if (!failed_.load(std::memory_order_relaxed)) why_ = why;
      failed_.store(true, std::memory_order_release);
    }
    round_.fetch_add(1, std::memory_order_acq_rel);
    round_.notify_all();
  }

  std::vector<std::span<const std::byte>> places;  // what each rank shows the others

 private:
  static constexpr int kLooks = 10000;
  Status Why() {
    const std::lock_guard lock(mutex_);
    return why_;
  }
  const uint32_t ranks_;
  std::atomic<uint32_t> arrived_{0}, round_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Status why_;
};

class ThreadLink final : public Link {
 public:
  ThreadLink(std::shared_ptr<Meeting> meeting, uint32_t rank)
      : meeting_(std::move(meeting)), rank_(rank) {}
  uint32_t rank() const override { return rank_; }
  uint32_t ranks() const override { return static_cast<uint32_t>(meeting_->places.size()); }

  Status Broadcast(std::vector<std::byte>* message) override {
    if (rank_ == 0) meeting_->places[0] = *message;
    WRING_TRY(meeting_->Meet());
    if (rank_ != 0) message->assign(meeting_->places[0].begin(), meeting_->places[0].end());
    return meeting_->Meet();  // the message stays until all have it
  }

  Status Gather(std::span<const std::byte> mine, std::span<const uint64_t> sizes,
                std::span<std::byte> all) override {
    assert(mine.size() == sizes[rank_]);
    meeting_->places[rank_] = mine;
    WRING_TRY(meeting_->Meet());
    size_t at = 0;
    for (uint32_t r = 0; r < ranks(); ++r) {
      if (sizes[r] > 0) std::memcpy(all.data() + at, meeting_->places[r].data(), sizes[r]);
      at += sizes[r];
    }
    return meeting_->Meet();
  }

  void Fail(const Status& why) override { meeting_->Fail(why); }

 private:
  const std::shared_ptr<Meeting> meeting_;
  const uint32_t rank_;
};

}  // namespace

std::vector<std::unique_ptr<Link>> MakeThreadLinks(uint32_t ranks) {
  const auto meeting = std::make_shared<Meeting>(ranks);
  std::vector<std::unique_ptr<Link>> links;
  for (uint32_t r = 0; r < ranks; ++r) links.push_back(std::make_unique<ThreadLink>(meeting, r));
  return links;
}

}  // namespace wring
