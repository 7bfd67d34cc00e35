#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/byte_cursor.h"
#include "base/checked.h"
#include "base/rng.h"

namespace wring {
namespace {

TEST(RngTest, PhiloxEqualsItsPublishedVectors) {
  // Random123's known answers for philox4x32-10.
  const std::array<uint32_t, 4> zero = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const std::array<uint32_t, 4> ones = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  EXPECT_EQ(Philox({0, 0, 0, 0}, 0), zero);
  EXPECT_EQ(Philox({~0U, ~0U, ~0U, ~0U}, ~uint64_t{0}), ones);
}

TEST(ByteCursorTest, NeverReadsPastTheEnd) {
  const std::array<std::byte, 6> bytes = {std::byte{1}, std::byte{2}, std::byte{3},
                                          std::byte{4}, std::byte{5}, std::byte{6}};
  ByteCursor cursor(bytes, "six bytes");
  auto word = cursor.Read<uint32_t>();
  ASSERT_TRUE(word.ok());
  EXPECT_EQ(*word, 0x04030201U);
  EXPECT_FALSE(cursor.Read<uint32_t>().ok());
  EXPECT_EQ(cursor.position(), 4U);
  EXPECT_FALSE(cursor.Take(~uint64_t{0}).ok());
  EXPECT_TRUE(cursor.Skip(2).ok());
  EXPECT_EQ(cursor.remaining(), 0U);
}

TEST(CheckedTest, OverflowIsSeen) {
  uint64_t out = 0;
  EXPECT_FALSE(CheckedMul(uint64_t{1} << 33, uint64_t{1} << 31, &out));
  EXPECT_TRUE(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 31, &out));
  EXPECT_FALSE(CheckedAdd(~uint64_t{0}, 1, &out));
  EXPECT_EQ(RoundUp<uint32_t>(33, 32), 64U);
  EXPECT_EQ(CeilDiv<uint32_t>(33, 32), 2U);
}

}  // namespace
}  // namespace wring
