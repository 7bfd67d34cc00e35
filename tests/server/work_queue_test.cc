// The threads that parse and tokenise: nothing is run twice or lost, what is too much is refused, a stop waits.
#include "server/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

#include "server/client.h"

namespace wring::server {
namespace {

TEST(WorkQueueTest, RunsEachPieceOnceFromManyThreads) {
  std::vector<std::atomic<int>> runs(4000);
  std::atomic<int> left{4000};
  std::promise<void> all;
  WorkQueue queue(4, runs.size());
  std::vector<std::thread> posters;
  for (size_t first = 0; first < 4; ++first) {
    posters.emplace_back([&, first] {
      for (size_t i = first; i < runs.size(); i += 4) {
        EXPECT_TRUE(queue.Post([&, i] {
          ++runs[i];
          if (--left == 0) all.set_value();
        }));
      }
    });
  }
  for (auto& t : posters) t.join();
  all.get_future().wait();
  queue.Stop();
  for (const auto& n : runs) ASSERT_EQ(n, 1);
}

TEST(WorkQueueTest, RefusesWhatIsTooMuch) {
  std::promise<void> began;
  std::promise<void> go;
  WorkQueue queue(1, 2);
  EXPECT_TRUE(queue.Post([&] {
    began.set_value();
    go.get_future().wait();
  }));
  began.get_future().wait();  // what runs does not wait
  EXPECT_TRUE(queue.Post([] {}));
  EXPECT_TRUE(queue.Post([] {}));
  EXPECT_FALSE(queue.Post([] {}));
  EXPECT_EQ(queue.waiting(), 2u);
  go.set_value();
}

TEST(WorkQueueTest, StopLetsWhatRunsEndAndDropsWhatWaits) {
  std::promise<void> began;
  std::promise<void> go;
  std::atomic<bool> ended{false};
  std::atomic<bool> dropped_ran{false};
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> watched = held;
  WorkQueue queue(1, 8);
  queue.Post([&] {
    began.set_value();
    go.get_future().wait();
    ended = true;
  });
  began.get_future().wait();
  queue.Post([&, held = std::move(held)] { dropped_ran = true; });
  std::thread stopper([&] { queue.Stop(); });
  EXPECT_TRUE(Eventually([&] { return watched.expired(); })) << "dropped before what runs ends";
  EXPECT_FALSE(ended);
  go.set_value();
  stopper.join();
  EXPECT_TRUE(ended);
  EXPECT_FALSE(dropped_ran);
  EXPECT_FALSE(queue.Post([] {}));
  queue.Stop();
}

}  // namespace
}  // namespace wring::server
