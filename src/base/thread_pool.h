// The one way to use several cores: Pool::ParallelFor over chunks handed out by an atomic counter.
// Nothing in the engine depends on which thread takes which chunk (contract 7), so a slow core costs
// time and never changes a bit. Workers spin briefly after a job, because the next op of a decode step
// follows within microseconds, then sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace wring {

class ThreadPool {
 public:
  // `threads` >= 1 counts the calling thread.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls fn(begin, end, thread) until [0, count) is covered, in chunks of at least `grain` items;
  // thread < threads(). Returns when all is done. One caller at a time; no nesting.
  template <typename Fn>
  void ParallelFor(size_t count, size_t grain, const Fn& fn) {
    if (count == 0) return;
    if (workers_.empty() || count <= grain) {
      fn(size_t{0}, count, size_t{0});
      return;
    }
    Run({[](const void* f, size_t b, size_t e, size_t t) { (*static_cast<const Fn*>(f))(b, e, t); },
         &fn, count, grain == 0 ? 1 : grain});
  }

 private:
  struct Job {
    void (*call)(const void*, size_t, size_t, size_t) = nullptr;
    const void* fn = nullptr;
    size_t count = 0;
    size_t grain = 1;
  };
  // A job as workers may read it while the next is being written: what they read counts only once they have taken a
  // chunk of it.
  struct SharedJob {
    std::atomic<void (*)(const void*, size_t, size_t, size_t)> call{nullptr};
    std::atomic<const void*> fn{nullptr};
    std::atomic<size_t> count{0}, chunk{1};
  };

  void Run(const Job& job);
  void Work(size_t thread);
  uint64_t TakeChunks(size_t thread);

  // Number of the job, its chunks, and the next of them, in one word: taking a chunk is a compare-and-swap of all
  // three, so that a worker that slept through a job cannot take from it, nor from one that is being written, and Run
  // need not wait for workers that took nothing. A job has at most 4 chunks a thread, and there are at most 1,024.
  static constexpr int kChunkBits = 13;
  static constexpr uint64_t kChunkMask = (uint64_t{1} << kChunkBits) - 1;
  static uint64_t JobOf(uint64_t state) { return state >> (2 * kChunkBits); }
  SharedJob job_;
  std::atomic<uint64_t> next_{0};
  std::atomic<size_t> left_{0};  // chunks of the job that are not done
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<size_t> sleepers_{0};
  std::vector<std::thread> workers_;
};

// The number of threads used unless the user says otherwise: the processors this process may use.
size_t DefaultThreads();

}  // namespace wring
