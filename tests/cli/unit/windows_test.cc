#include "cli/windows.h"

#include <gtest/gtest.h>

namespace wring::cli {
namespace {

TEST(LlamaWindows, ScoreTheSecondHalfOfWholeWindows) {
  const auto windows = LlamaWindows(1100, 512);
  ASSERT_EQ(windows.size(), 2U);  // 76 tokens are left over
  EXPECT_EQ(windows[1].begin, 512U);
  EXPECT_EQ(windows[1].end, 1024U);
  // llama-perplexity scores n_ctx - 1 - n_ctx / 2 tokens a window.
  EXPECT_EQ(windows[1].end - windows[1].scored, 255U);
}

TEST(LlamaWindows, NoneInAShortText) { EXPECT_TRUE(LlamaWindows(511, 512).empty()); }

TEST(SlidingWindows, ScoreEachTokenButTheFirstOnce) {
  for (const size_t stride : {1U, 7U, 32U, 64U}) {
    const auto windows = SlidingWindows(500, 64, stride);
    size_t next = 1;
    for (const auto& w : windows) {
      EXPECT_EQ(w.begin % stride, 0U);
      EXPECT_LE(w.end - w.begin, 64U);
      EXPECT_GE(w.scored, next);
      EXPECT_LE(w.scored,
                next + 1);  // with stride == context a window's first token has no predictor
      next = w.end;
    }
    EXPECT_EQ(next, 500U);
  }
}

TEST(SlidingWindows, KeepTheContextThatTheStrideLeaves) {
  const auto windows = SlidingWindows(200, 64, 16);
  for (size_t i = 1; i < windows.size(); ++i) EXPECT_EQ(windows[i].scored - windows[i].begin, 48U);
}

}  // namespace
}  // namespace wring::cli
