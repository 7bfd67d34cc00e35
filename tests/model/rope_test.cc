// The RoPE scaling that no golden of transformers covers, and what all have in common.
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace wring {
namespace {

TEST(RopeTest, NtkStretchesTheSlowestChannelByTheFactorAndKeepsTheFastest) {
  RopeSpec rope;
  const auto plain = FrequenciesOf(rope, 64, 4096);
  rope.scaling = RopeScaling::kNtk;
  rope.factor = 4;
  const auto ntk = FrequenciesOf(rope, 64, 4096);
  ASSERT_EQ(ntk.inverse.size(), 32U);
  EXPECT_EQ(ntk.inverse.front(), plain.inverse.front());
  EXPECT_NEAR(ntk.inverse.back() * 4, plain.inverse.back(), 1e-6F * plain.inverse.back());
  for (size_t i = 1; i < 32; ++i) EXPECT_LT(ntk.inverse[i], plain.inverse[i]);
}

TEST(RopeTest, DynamicScalingsAreOffWithinTheOriginalContext) {
  RopeSpec rope;
  rope.original_context = 128;
  const auto plain = FrequenciesOf(rope, 32, 128);
  rope.scaling = RopeScaling::kDynamic;
  rope.factor = 4;
  EXPECT_EQ(FrequenciesOf(rope, 32, 128).inverse, plain.inverse);
  EXPECT_NE(FrequenciesOf(rope, 32, 129).inverse, plain.inverse);
}

}  // namespace
}  // namespace wring
