#include "kv/page_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "base/rng.h"
#include "kv/sequence_kv.h"

namespace wring {
namespace {

TEST(PagePoolTest, AccountsForEveryByteUnderRandomWork) {
  auto pool = PagePool::Create(HostDevice(), 16 * kSlabBytes);
  ASSERT_TRUE(pool.ok());
  const uint64_t sizes[] = {kSlabBytes, 700'000, 49'152, 294'912};
  std::vector<std::pair<BlockHandle, uint64_t>> held;
  uint64_t used = 0;
  uint32_t refused = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    const auto draw = Philox({i, 0, 0, 0}, 1);
    if (draw[0] % 100 < 55) {
      const uint64_t bytes = sizes[draw[1] % 4];
      auto block = (*pool)->Allocate(bytes, static_cast<PoolOwner>(draw[2] % 2));
      if (block.ok()) {
        used += bytes;
        held.emplace_back(*std::move(block), bytes);
      } else {
        EXPECT_EQ(block.status().code(), Code::kLimit);
        ++refused;
      }
    } else if (!held.empty()) {
      const size_t at = draw[1] % held.size();
      used -= held[at].second;
      std::swap(held[at], held.back());
      held.pop_back();
    }
    ASSERT_EQ((*pool)->used_bytes(), used);
    ASSERT_EQ((*pool)->used_bytes() + (*pool)->free_bytes(), (*pool)->total_bytes());
  }
  EXPECT_GT(refused, 0U) << "the test should have filled the pool";
  std::set<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto& [handle, bytes] : held) ranges.emplace(handle.offset(), handle.offset() + bytes);
  uint64_t end = 0;
  for (const auto& [from, to] : ranges) {
    EXPECT_GE(from, end) << "blocks overlap";
    end = to;
  }
  held.clear();
  EXPECT_EQ((*pool)->used_bytes(), 0U);
  EXPECT_EQ((*pool)->waste_bytes(), 0U);
  EXPECT_EQ((*pool)->free_bytes(), 16 * kSlabBytes);
}

TEST(KvLayoutTest, BlocksFillSlabs) {
  struct Shape {
    uint32_t layers, kv_heads, head_dim;
  };
  for (const Shape& s : {Shape{30, 3, 64}, {24, 2, 64}, {28, 2, 128}, {32, 8, 128}, {80, 8, 128}}) {
    auto layout =
        KvLayout::For(CodecId::kF16, s.kv_heads, s.head_dim, std::vector<uint32_t>(s.layers));
    ASSERT_TRUE(layout.ok());
    const uint64_t tokens = 4096;
    const uint64_t needed = tokens * s.layers * 2 * s.kv_heads * s.head_dim * 2;
    EXPECT_LE(layout->pool_bytes(tokens), needed * 1.13) << s.layers << " layers";
    uint32_t layers = 0;
    for (const KvGroup& g : layout->groups) {
      EXPECT_LE(g.block_bytes, kSlabBytes);
      layers += g.layers;
    }
    EXPECT_EQ(layers, s.layers);
  }
}

TEST(SequenceKvTest, AFullPoolChangesNothing) {
  auto layout = KvLayout::For(CodecId::kF16, 3, 64, std::vector<uint32_t>(30));
  ASSERT_TRUE(layout.ok());
  auto pool = PagePool::Create(HostDevice(), layout->pool_bytes(128));
  ASSERT_TRUE(pool.ok());
  SequenceKv kv(pool->get(), &*layout);
  ASSERT_TRUE(kv.Extend(100).ok());
  const uint64_t before = (*pool)->used_bytes();
  uint32_t length = 128;
  while (kv.Extend(length).ok()) length += kBlockTokens;
  const uint64_t full = (*pool)->used_bytes();
  EXPECT_FALSE(kv.Extend(1 << 20).ok());
  EXPECT_EQ((*pool)->used_bytes(), full);
  kv.Truncate(100);
  EXPECT_EQ((*pool)->used_bytes(), before);
  EXPECT_EQ(kv.length(), 100U);
}

// A view names the columns' blocks, whatever was done to the sequence: kept offsets must not fall behind.
TEST(SequenceKvTest, ViewsNameTheBlocksAfterRandomWork) {
  auto layout =
      KvLayout::For(CodecId::kF16, 2, 64, std::vector<uint32_t>{0, 256, 0});  // one of a window
  ASSERT_TRUE(layout.ok());
  const size_t groups = layout->groups.size();
  ASSERT_GT(groups, 1U);
  auto pool = PagePool::Create(HostDevice(), 64 * kSlabBytes);
  ASSERT_TRUE(pool.ok());
  std::vector<SequenceKv> all;
  all.emplace_back(pool->get(), &*layout);
  for (uint32_t i = 0; i < 3000; ++i) {
    const auto draw = Philox({i, 0, 0, 0}, 2);
    SequenceKv& kv = all[draw[1] % all.size()];
    const uint32_t before = kv.length();
    switch (draw[0] % 8) {
      case 0: kv.Truncate(before - std::min(before, draw[2] % 4)); break;
      case 1: kv.GiveBack(); break;
      case 2:
        if (all.size() < 4) {
          all.push_back(kv.Fork());
        } else {
          all.erase(all.begin() + draw[1] % 4);
        }
        break;
      case 3: {
        std::vector<BlockColumn> columns;
        for (uint32_t c = 0; c < kv.complete_columns(); ++c) columns.push_back(kv.column(c));
        if (draw[2] % 8 == 0) columns.clear();
        SequenceKv adopted(pool->get(), &*layout);
        adopted.Adopt(std::move(columns));
        all.front() = std::move(adopted);
        break;
      }
      default: ASSERT_TRUE(kv.Extend(std::min(before + draw[2] % 40, 2000U)).ok()); break;
    }
    for (const SequenceKv& each : all) {
      const auto view = each.View();
      ASSERT_EQ(view.segments.size(), 1U);
      const KvSegment& segment = view.segments[0];
      ASSERT_EQ(segment.length, each.length());
      ASSERT_EQ(segment.blocks.size(), CeilDiv(each.length(), kBlockTokens) * groups);
      for (size_t b = 0; b < segment.blocks.size(); ++b) {
        const auto& block = each.column(static_cast<uint32_t>(b / groups))[b % groups];
        ASSERT_EQ(segment.blocks[b], block == nullptr ? kNoBlock : block->offset()) << i;
      }
    }
  }
}

}  // namespace
}  // namespace wring
