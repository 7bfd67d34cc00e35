#include "kv/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>

namespace wring {
namespace {

constexpr uint32_t kLayers = 2;

class PrefixCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { Windows({0, 0}); }
  void Windows(std::vector<uint32_t> windows) {
    cache_.reset();
    auto layout = KvLayout::For(CodecId::kF16, 2, 64, windows);
    ASSERT_TRUE(layout.ok());
    layout_ = *layout;
    auto pool = PagePool::Create(HostDevice(), 8 * kSlabBytes);
    ASSERT_TRUE(pool.ok());
    pool_ = *std::move(pool);
    cache_ = std::make_unique<PrefixCache>(pool_.get(), Hash128{1, 2}, 1e-4);
  }
  static std::vector<int32_t> Tokens(uint32_t count, int32_t first = 0) {
    std::vector<int32_t> t(count);
    std::iota(t.begin(), t.end(), first);
    return t;
  }
  // Computes `tokens` (here: only takes blocks) and caches their columns. The last name.
  Hash128 Fill(const Hash128& scope, const std::vector<int32_t>& tokens) {
    SequenceKv kv(pool_.get(), &layout_);
    EXPECT_TRUE(kv.Extend(static_cast<uint32_t>(tokens.size())).ok());
    Hash128 name = scope;
    for (uint32_t c = 0; c < kv.complete_columns(); ++c) {
      name = cache_->Insert(name, std::span(tokens).subspan(c * kBlockTokens, kBlockTokens),
                            kv.column(c), c);
    }
    return name;
  }
  size_t Found(const Hash128& scope, const std::vector<int32_t>& tokens) {
    Hash128 name;
    return cache_->Find(scope, tokens, layout_, &name).size();
  }
  uint64_t Used(PoolOwner owner) const { return pool_->used_bytes(owner); }

  KvLayout layout_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<PrefixCache> cache_;
};

TEST_F(PrefixCacheTest, FindsTheLongestPrefixOfCompleteColumns) {
  const Hash128 scope = cache_->Scope("model");
  const auto tokens = Tokens(200);
  const Hash128 last = Fill(scope, tokens);
  Hash128 name;
  EXPECT_EQ(cache_->Find(scope, tokens, layout_, &name).size(), 3U);
  EXPECT_EQ(name, last);
  auto other = tokens;
  other[130] = -1;
  EXPECT_EQ(Found(scope, other), 2U);
  other[63] = -1;
  EXPECT_EQ(Found(scope, other), 0U);
  EXPECT_EQ(Found(scope, Tokens(127)), 1U);
  // The same tokens after others are another prefix.
  EXPECT_EQ(Found(scope, Tokens(64, 64)), 0U);
  EXPECT_EQ(Found(cache_->Scope("model, salted"), tokens), 0U);
}

TEST_F(PrefixCacheTest, NamesDependOnTheProcessesSecret) {
  PrefixCache other(pool_.get(), Hash128{1, 3}, 0);
  EXPECT_NE(other.Scope("a"), cache_->Scope("a"));
}

TEST_F(PrefixCacheTest, BytesBelongToTheCacheUntilTheyAreEvicted) {
  const Hash128 scope = cache_->Scope("model");
  Fill(scope, Tokens(192));
  EXPECT_EQ(Used(PoolOwner::kKvCache), 0U);
  EXPECT_EQ(Used(PoolOwner::kPrefixCache), 192 * layout_.bytes_per_token());
  cache_->Clear();
  EXPECT_EQ(Used(PoolOwner::kPrefixCache), 0U);
  EXPECT_EQ(cache_->entries(), 0U);
  EXPECT_EQ(pool_->free_bytes(), pool_->total_bytes());
}

TEST_F(PrefixCacheTest, EvictsTheLeastRecentlyUsedLeafAndNothingInUse) {
  const Hash128 scope = cache_->Scope("model");
  const auto a = Tokens(128, 0);
  const auto b = Tokens(128, 1000);
  const auto c = Tokens(128, 2000);
  Fill(scope, a);
  Fill(scope, b);
  Fill(scope, c);
  Found(scope, a);  // touches it
  Hash128 name;
  auto held = cache_->Find(scope, c, layout_, &name);
  ASSERT_TRUE(cache_->Evict());
  EXPECT_EQ(Found(scope, b), 1U) << "its second column was the oldest leaf";
  ASSERT_TRUE(cache_->Evict());
  while (cache_->Evict()) {
  }
  EXPECT_EQ(Found(scope, c), 2U) << "somebody uses it";
  EXPECT_EQ(Found(scope, a), 0U);
  EXPECT_EQ(cache_->entries(), 2U);
}

TEST_F(PrefixCacheTest, ALaterColumnIsWorthMoreThanAnEarlierOneOfTheSameAge) {
  const Hash128 scope = cache_->Scope("model");
  cache_ = std::make_unique<PrefixCache>(pool_.get(), Hash128{1, 2}, 1.0);
  Fill(scope, Tokens(256, 0));    // its leaf stands at position 192
  Fill(scope, Tokens(64, 5000));  // younger, but cheap to compute again
  ASSERT_TRUE(cache_->Evict());
  EXPECT_EQ(Found(scope, Tokens(64, 5000)), 0U);
  EXPECT_EQ(Found(scope, Tokens(256, 0)), 4U);
}

TEST_F(PrefixCacheTest, AWindowNeedsOnlyTheColumnsThatItReaches) {
  Windows({0, 70});
  ASSERT_EQ(layout_.groups.size(), kLayers);
  const Hash128 scope = cache_->Scope("model");
  Fill(scope, Tokens(320));
  Hash128 name;
  const auto columns = cache_->Find(scope, Tokens(330), layout_, &name);
  ASSERT_EQ(columns.size(), 5U);
  // Position 320 sees 251 and later: columns 3 and 4.
  for (uint32_t c = 0; c < 5; ++c) {
    for (size_t g = 0; g < 2; ++g) {
      EXPECT_EQ(columns[c][g] != nullptr, layout_.groups[g].window == 0 || c >= 3) << c;
    }
  }
}

TEST_F(PrefixCacheTest, WhoWritesASharedBlockGetsACopy) {
  SequenceKv first(pool_.get(), &layout_);
  ASSERT_TRUE(first.Extend(70).ok());
  const uint64_t at = first.column(1)[0]->offset();
  std::memset(pool_->at(at), 7, 16);
  SequenceKv second = first.Fork();
  ASSERT_TRUE(second.Extend(71).ok());
  EXPECT_EQ(second.column(0)[0], first.column(0)[0]) << "complete columns stay shared";
  EXPECT_NE(second.column(1)[0], first.column(1)[0]);
  EXPECT_EQ(std::memcmp(pool_->at(second.column(1)[0]->offset()), pool_->at(at), 16), 0);
  ASSERT_TRUE(first.Extend(71).ok());
  EXPECT_EQ(first.column(1)[0]->offset(), at) << "its own by now: no copy";
}

}  // namespace
}  // namespace wring
