#include "ranks/thread_link.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

namespace wring {
namespace {

void OnEveryRank(uint32_t ranks, const std::function<void(Link&)>& work) {
  const auto links = MakeThreadLinks(ranks);
  std::vector<std::thread> threads;
  for (const auto& link : links) threads.emplace_back([&] { work(*link); });
  for (auto& t : threads) t.join();
}

TEST(ThreadLinkTest, EveryRankGetsWhatEachGave) {
  for (uint32_t ranks : {2U, 3U, 5U}) {
    OnEveryRank(ranks, [&](Link& link) {
      for (uint32_t round = 0; round < 200; ++round) {
        std::vector<std::byte> message;
        if (link.rank() == 0) message.assign(round, std::byte{static_cast<uint8_t>(round)});
        ASSERT_TRUE(link.Broadcast(&message).ok());
        ASSERT_EQ(message.size(), round);
        ASSERT_TRUE(round == 0 || message.back() == std::byte{static_cast<uint8_t>(round)});

        // Rank r gives r + 1 numbers.
        std::vector<uint64_t> sizes;
        for (uint32_t r = 0; r < ranks; ++r) sizes.push_back((r + 1) * sizeof(uint32_t));
        std::vector<uint32_t> mine(link.rank() + 1, 1000 * round + link.rank());
        std::vector<uint32_t> all(ranks * (ranks + 1) / 2);
        ASSERT_TRUE(link.Gather(std::as_bytes(std::span(mine)), sizes,
                                std::as_writable_bytes(std::span(all)))
                        .ok());
        size_t at = 0;
        for (uint32_t r = 0; r < ranks; ++r) {
          for (uint32_t i = 0; i <= r; ++i) ASSERT_EQ(all[at++], 1000 * round + r);
        }
        ASSERT_TRUE(link.Meet().ok());
        std::vector<float> values(17, static_cast<float>(link.rank() + round));
        ASSERT_TRUE(link.Sum(values).ok());
        const float want = static_cast<float>(ranks * round + ranks * (ranks - 1) / 2);
        for (float v : values) ASSERT_EQ(v, want);
      }
    });
  }
}

TEST(ThreadLinkTest, AgreesOnTheFirstFailure) {
  OnEveryRank(3, [](Link& link) {
    const Status mine =
        link.rank() == 0 ? Status() : Error(Code::kLimit, "rank {} is full", link.rank());
    const Status all = link.Agree(mine);
    EXPECT_EQ(all.code(), Code::kLimit);
    EXPECT_EQ(all.message(), "rank 1 is full");
    EXPECT_TRUE(link.Agree({}).ok());
  });
}

TEST(ThreadLinkTest, AFailureReachesThoseThatWait) {
  OnEveryRank(3, [](Link& link) {
    if (link.rank() == 2) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      link.Fail(Error(Code::kInternal, "the disk burns"));
      return;
    }
    std::vector<float> values(4);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(link.Sum(values).message(), "the disk burns");
  });
}

}  // namespace
}  // namespace wring
