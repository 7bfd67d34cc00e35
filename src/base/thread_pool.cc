#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>

namespace wring {
namespace {

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 50 us of spinning: longer than the serial part between two ops of a decode step, short
// against a scheduler tick, so that an idle engine burns nothing.
constexpr int kSpins = 2000;

}  // namespace

ThreadPool::ThreadPool(size_t threads) {
  for (size_t t = 1; t < std::max<size_t>(threads, 1); ++t) {
    workers_.emplace_back([this, t] { Work(t); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (auto& w : workers_) w.join();
}

void ThreadPool::TakeChunks(size_t thread) {
  // Each take is 1/(4 x threads) of the items, so that the last chunk is small against the whole.
  const size_t chunk = std::max(job_.grain, job_.count / (4 * threads()));
  while (true) {
    const size_t begin = next_.fetch_add(chunk, std::memory_order_relaxed);
    if (begin >= job_.count) return;
    job_.call(job_.fn, begin, std::min(begin + chunk, job_.count), thread);
  }
}

void ThreadPool::Run(const Job& job) {
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  running_.store(workers_.size(), std::memory_order_relaxed);
  generation_.fetch_add(1);  // seq_cst: publishes job_, and orders against sleepers_ below
  if (sleepers_.load() != 0) {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  TakeChunks(0);
  // The workers only finish chunks they hold. On an overloaded machine a worker may not even be
  // scheduled: yield then, so that it gets this core.
  for (int spin = 0; running_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::Work(size_t thread) {
  uint64_t seen = 0;
  while (true) {
    int spin = 0;
    while (generation_.load(std::memory_order_acquire) == seen && spin < kSpins) {
      ++spin;
      Pause();
    }
    if (generation_.load() == seen) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
    if (stop_.load()) return;
    seen = generation_.load(std::memory_order_acquire);
    TakeChunks(thread);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

size_t DefaultThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return std::max(1, CPU_COUNT(&set));
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace wring
