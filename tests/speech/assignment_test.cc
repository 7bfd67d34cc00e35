#include "speech/score/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"

namespace wring::speech {
namespace {

int64_t Sum(const std::vector<int64_t>& weights, size_t rows, size_t columns) {
  const auto columns_of = BestAssignment(weights, rows, columns);
  EXPECT_EQ(columns_of.size(), rows);
  std::vector<bool> taken(columns);
  int64_t sum = 0;
  for (size_t r = 0; r < rows; ++r) {
    if (!columns_of[r]) continue;
    EXPECT_FALSE(taken.at(*columns_of[r]));
    taken[*columns_of[r]] = true;
    EXPECT_GT(weights[r * columns + *columns_of[r]], 0);
    sum += weights[r * columns + *columns_of[r]];
  }
  return sum;
}

// Every one-to-one choice, rows <= columns.
int64_t BestOfAll(const std::vector<int64_t>& weights, size_t rows, size_t columns) {
  std::vector<size_t> order(columns);
  std::iota(order.begin(), order.end(), 0);
  int64_t best = 0;
  do {
    int64_t sum = 0;
    for (size_t r = 0; r < rows; ++r) sum += weights[r * columns + order[r]];
    best = std::max(best, sum);
  } while (std::ranges::next_permutation(order).found);
  return best;
}

TEST(Assignment, IsTheBestOfAllChoices) {
  for (uint32_t trial = 0; trial < 600; ++trial) {
    const auto draw = Philox({trial, 0, 0, 0}, 7);
    const size_t rows = draw[0] % 6 + 1, columns = rows + draw[1] % (7 - rows);
    const uint32_t range = draw[2] % 2 ? 4 : 1'000'000;  // few values: many ties
    std::vector<int64_t> weights(rows * columns), turned(rows * columns);
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = Philox({trial, static_cast<uint32_t>(i), 1, 0}, 7)[0] % range;
      turned[(i % columns) * rows + i / columns] = weights[i];
    }
    const int64_t best = BestOfAll(weights, rows, columns);
    ASSERT_EQ(Sum(weights, rows, columns), best) << trial;
    ASSERT_EQ(Sum(turned, columns, rows), best) << trial;
  }
}

TEST(Assignment, OfNothingIsNothing) {
  EXPECT_TRUE(BestAssignment({}, 0, 3).empty());
  EXPECT_EQ(BestAssignment({}, 2, 0), (std::vector<std::optional<uint32_t>>(2)));
}

TEST(Assignment, FindsAHiddenPermutationOfHundreds) {
  constexpr size_t kSize = 300;
  std::vector<int64_t> weights(kSize * kSize);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = Philox({static_cast<uint32_t>(i), 0, 0, 0}, 9)[0] % 1000;
  }
  for (size_t r = 0; r < kSize; ++r) weights[r * kSize + r * 7 % kSize] += 1000;
  const auto columns = BestAssignment(weights, kSize, kSize);
  for (size_t r = 0; r < kSize; ++r) ASSERT_EQ(columns[r], r * 7 % kSize);
}

}  // namespace
}  // namespace wring::speech
