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
  }
  wake_.notify_all();
  for (auto& w : workers_) w.join();
}

// Takes chunks until the job has none left; its number.
uint64_t ThreadPool::TakeChunks(size_t thread) {
  while (true) {
    uint64_t next = next_.load(std::memory_order_acquire);
    const uint64_t chunks = (next >> kChunkBits) & kChunkMask;
    const uint64_t index = next & kChunkMask;
    if (index >= chunks) return JobOf(next);
    // Read before the swap and used only if it succeeds: then this job had a chunk left, so nobody wrote the next.
    const auto call = job_.call.load(std::memory_order_relaxed);
    const void* fn = job_.fn.load(std::memory_order_relaxed);
    const size_t count = job_.count.load(std::memory_order_relaxed);
    const size_t chunk = job_.chunk.load(std::memory_order_relaxed);
    const size_t begin = index * chunk;
    if (!next_.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel)) continue;
    call(fn, begin, std::min(begin + chunk, count), thread);
    left_.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::Run(const Job& job) {
  // Each take is 1/(4 x threads) of the items, so that the last chunk is small against the whole.
  const size_t pieces = 4 * std::min<size_t>(threads(), 1024);
  const size_t chunk = std::max(job.grain, (job.count + pieces - 1) / pieces);
  const size_t chunks = (job.count + chunk - 1) / chunk;
  job_.call.store(job.call, std::memory_order_relaxed);
  job_.fn.store(job.fn, std::memory_order_relaxed);
  job_.count.store(job.count, std::memory_order_relaxed);
  job_.chunk.store(chunk, std::memory_order_relaxed);
  left_.store(chunks, std::memory_order_relaxed);
  const uint64_t number = JobOf(next_.load(std::memory_order_relaxed)) + 1;
  next_.store((number << kChunkBits | chunks)
              << kChunkBits);  // seq_cst: publishes job_, and orders against sleepers_ below
  if (sleepers_.load() != 0) {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  TakeChunks(0);
  // Workers only finish chunks they hold. One that holds a chunk may have lost its core to another program: yield
  // then, so that it gets this one.
  for (int spin = 0; left_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::Work(size_t thread) {
  uint64_t seen = 0;
  const auto number = [&] { return JobOf(next_.load()); };
  // The end is a word of its own, looked at before every sleep: were it told by a job's number, a worker that reads that
  // number while it looks for the last job's chunks would sleep on.
  while (!stop_.load()) {
    for (int spin = 0; number() == seen && spin < kSpins; ++spin) Pause();
    if (number() == seen) {
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return stop_.load() || number() != seen; });
      sleepers_.fetch_sub(1);
    }
    seen = TakeChunks(thread);
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
