#include "engine/wait_queue.h"

#include <gtest/gtest.h>

namespace wring {
namespace {

TEST(WaitQueueTest, GoesByPriorityThenAge) {
  WaitQueue<int> q;
  q.Push("a", 0, 1);
  q.Push("a", 0, 2);
  q.Push("a", -1, 3);
  q.Push("a", 0, 4, true);
  std::vector<int> order;
  while (q.Peek() != nullptr) order.push_back(q.Pop());
  EXPECT_EQ(order, (std::vector<int>{3, 4, 1, 2}));
  EXPECT_TRUE(q.empty());
}

TEST(WaitQueueTest, AHungryAccountDoesNotStarveOthers) {
  WaitQueue<int> q;
  for (int i = 0; i < 100; ++i) q.Push("hungry", 0, i);
  q.Push("modest", 0, 1000);
  q.Push("modest", 0, 1001);
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    const int item = q.Pop();
    order.push_back(item);
    q.Charge(item >= 1000 ? "modest" : "hungry", 10);
  }
  EXPECT_EQ(std::count_if(order.begin(), order.end(), [](int i) { return i >= 1000; }), 2);
}

TEST(WaitQueueTest, ServesByCostNotByRequests) {
  WaitQueue<int> q;
  for (int i = 0; i < 100; ++i) {
    q.Push("long", 0, 0);
    q.Push("short", 0, 1);
  }
  double served[2] = {0, 0};
  for (int i = 0; i < 80; ++i) {
    const int who = q.Pop();
    const double cost = who == 0 ? 30 : 10;
    served[who] += cost;
    q.Charge(who == 0 ? "long" : "short", cost);
  }
  EXPECT_NEAR(served[0], served[1], 30);
}

TEST(WaitQueueTest, NobodySavesUpByStayingAway) {
  WaitQueue<int> q;
  q.Push("away", 0, 0);
  q.Pop();
  q.Push("busy", 0, 1);
  q.Pop();
  q.Enter("busy");
  q.Charge("busy", 1000);
  q.Push("away", 0, 2);
  EXPECT_EQ(q.served("away"), 1000);
}

TEST(WaitQueueTest, RemovesWhatIsGone) {
  WaitQueue<int> q;
  for (int i = 0; i < 10; ++i) q.Push(i % 2 == 0 ? "a" : "b", 0, i);
  q.RemoveIf([](int& i) { return i % 2 == 0; });
  EXPECT_EQ(q.size(), 5U);
  EXPECT_EQ(q.Pop(), 1);
}

}  // namespace
}  // namespace wring
