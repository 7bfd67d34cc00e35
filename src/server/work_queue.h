// Threads for work that takes milliseconds: parsing, templates, tokenising, grammars. Neither the I/O thread nor the
// engine thread may wait for such work.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace wring::server {

class WorkQueue {
 public:
  // `capacity`: pieces of work that may wait.
  WorkQueue(size_t threads, size_t capacity) : capacity_(capacity) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Main(); });
  }
  ~WorkQueue() { Stop(); }
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // False when too much waits already; any thread.
  bool Post(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      if (stop_ || waiting_.size() >= capacity_) return false;
      waiting_.push_back(std::move(work));
    }
    wake_.notify_one();
    return true;
  }
  // Drops what waits, lets what runs end. Idempotent.
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      waiting_.clear();
    }
    wake_.notify_all();
    for (auto& t : threads_) {
      if (t.joinable()) t.join();
    }
  }
  size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  void Main() {
    for (;;) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
        if (stop_) return;
        work = std::move(waiting_.front());
        waiting_.pop_front();
      }
      work();
    }
  }

  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace wring::server
