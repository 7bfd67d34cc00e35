#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace wring {
namespace {

TEST(ThreadPoolTest, CoversEveryItemOnceJobAfterJob) {
  for (size_t threads : {1UL, 2UL, 5UL}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (size_t round = 0; round < 2000; ++round) {
      const size_t count = round % 97;
      std::vector<int> seen(count, 0);
      std::vector<size_t> by_thread(threads, 0);
      pool.ParallelFor(count, round % 5, [&](size_t begin, size_t end, size_t thread) {
        for (size_t i = begin; i < end; ++i) ++seen[i];
        by_thread[thread] += end - begin;
      });
      ASSERT_EQ(std::accumulate(by_thread.begin(), by_thread.end(), size_t{0}), count);
      for (int n : seen) ASSERT_EQ(n, 1);
    }
  }
}

// A worker that is late may look at a job while the next, of another size, is being written.
TEST(ThreadPoolTest, LateWorkersTakeNothingFromTheNextJob) {
  for (size_t threads : {2UL, 4UL}) {
    ThreadPool pool(threads);
    for (uint32_t round = 0; round < 60'000; ++round) {
      const size_t count = round % 2 == 0 ? 1 + round % 7 : 900;
      std::atomic<size_t> items{0};
      pool.ParallelFor(count, round % 2 == 0 ? 0 : 1, [&](size_t begin, size_t end, size_t) {
        items.fetch_add(end - begin, std::memory_order_relaxed);
      });
      ASSERT_EQ(items.load(), count) << "round " << round;
    }
  }
}

// A worker may still be looking for chunks of the last job when its pool ends.
TEST(ThreadPoolTest, EndsRightAfterAJob) {
  for (int round = 0; round < 5'000; ++round) {
    ThreadPool pool(8);  // more than processors, so that some are put aside at any point
    std::atomic<size_t> items{0};
    pool.ParallelFor(100, 1, [&](size_t begin, size_t end, size_t) { items += end - begin; });
    ASSERT_EQ(items.load(), 100U);
  }
}

TEST(ThreadPoolTest, WakesWorkersThatSleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than workers spin
    std::atomic<size_t> sum{0};
    pool.ParallelFor(1000, 1, [&](size_t begin, size_t end, size_t) { sum += end - begin; });
    EXPECT_EQ(sum.load(), 1000U);
  }
}

}  // namespace
}  // namespace wring
