// How attention of a step is cut, which needs no GPU: every block that a vector sees is computed once, parts of a tile are
// numbered in the order in which they are merged, and partials of different tiles lie apart.
#include "model/cuda/step_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/rng.h"

namespace wring {
namespace {

constexpr uint32_t kMultiprocessors = 132;

class StepTablesTest : public ::testing::Test {
 protected:
  StepTablesTest() {
    spec_.layers = 2;
    spec_.heads = 8;
    spec_.kv_heads = 2;
    spec_.head_dim = 64;
    spec_.context = 1 << 20;
  }
  uint32_t Random(uint32_t below) { return Philox({draw_++, 0, 0, 0}, 17)[0] % below; }
  // `rows` rows of one more sequence that end at position `context` - 1.
  void Add(Step* step, uint32_t rows, uint32_t context) {
    StepSequence s;
    KvSegment segment;
    segment.length = context;
    for (uint32_t b = 0; b < (context + kBlockTokens - 1) / kBlockTokens; ++b)
      segment.blocks.push_back(b);
    s.segments.push_back(segment);
    for (uint32_t r = 0; r < rows; ++r) {
      StepRow row;
      row.sequence = static_cast<uint32_t>(step->sequences.size());
      row.position = context - rows + r;
      step->rows.push_back(row);
    }
    step->sequences.push_back(s);
  }
  void Check(const Step& step, bool wide) {
    std::bitset<kCodecCount> has_wide;
    has_wide[static_cast<size_t>(CodecId::kF16)] = wide;
    StepTables tables(spec_, kMultiprocessors, has_wide, draw_ % 2 == 0);
    ASSERT_TRUE(tables.Build(step).ok());
    for (const auto& plan : tables.plans) CheckPlan(step, tables, plan);
  }
  static void CheckItem(const cuda::AttendItem& item, uint32_t most) {
    EXPECT_GE(item.count, 1U);
    EXPECT_LE(item.count, most);
    EXPECT_GE(item.blocks, 1U);
    EXPECT_LT(item.part, item.parts);
  }
  void CheckPlan(const Step& step, const StepTables& tables, const StepTables::Plan& plan) {
    const uint32_t group = spec_.group();
    std::map<std::pair<uint32_t, uint32_t>, std::vector<cuda::AttendItem>> tiles;  // by row, vector
    for (const auto& item : plan.items) {
      CheckItem(item, 16);
      tiles[{item.first_row, item.first}].push_back(item);
    }
    for (const auto& item : plan.wide) {
      CheckItem(item, cuda::kWideVectors);
      EXPECT_EQ(item.parts, 1U);
      tiles[{item.first_row, item.first}].push_back(item);
    }
    std::set<std::pair<uint32_t, uint32_t>> vectors;  // row, head of its group
    std::vector<std::pair<uint32_t, uint32_t>> partials;
    for (auto& [key, items] : tiles) {
      const cuda::AttendItem& front = items.front();
      for (uint32_t n = front.first; n < front.first + front.count; ++n) {
        const uint32_t row = front.first_row + n / group;
        EXPECT_TRUE(vectors.insert({row, n % group}).second);
        ASSERT_LT(row, step.rows.size());
        EXPECT_EQ(step.rows[row].sequence, front.sequence);
      }
      // From what the first of its rows sees to what the last does, each block once and in order.
      const uint32_t first = step.rows[front.first_row + front.first / group].position + 1;
      const uint32_t last =
          step.rows[front.first_row + (front.first + front.count - 1) / group].position;
      uint32_t next =
          (plan.window != 0 && first > plan.window ? first - plan.window : 0) / kBlockTokens;
      EXPECT_EQ(front.origin, next);
      uint32_t part = 0;
      for (const auto& item : items) {
        EXPECT_EQ(item.block, next);
        EXPECT_EQ(item.part, part);
        EXPECT_EQ(item.partial, front.partial);
        EXPECT_EQ(item.unit, front.unit);
        EXPECT_TRUE(item.block == front.origin || item.block % item.unit == 0);
        next = item.block + item.blocks;
        part += (next - 1) / item.unit - item.block / item.unit + 1;
      }
      EXPECT_EQ(next, last / kBlockTokens + 1);
      if (front.parts == 1) continue;
      EXPECT_EQ(part, front.parts);
      partials.emplace_back(front.partial, front.partial + front.parts * front.count);
    }
    EXPECT_EQ(vectors.size(), step.rows.size() * group);
    std::sort(partials.begin(), partials.end());
    for (size_t i = 0; i < partials.size(); ++i) {
      EXPECT_LE(partials[i].second, i + 1 < partials.size() ? partials[i + 1].first : plan.vectors);
    }
    EXPECT_TRUE(!tables.fused || plan.wide.empty());
  }

  ModelSpec spec_;
  uint32_t draw_ = 0;
};

TEST_F(StepTablesTest, EveryVectorSeesItsBlocksOnce) {
  for (const uint32_t window : {0U, 100U, 5000U}) {
    spec_.window = window;
    for (int i = 0; i < 60; ++i) {
      Step step;
      const uint32_t sequences = 1 + Random(i % 3 == 0 ? 64 : 4);
      for (uint32_t s = 0; s < sequences; ++s) {
        const uint32_t rows = i % 2 == 0 ? 1 + Random(8) : 1 + Random(300);
        Add(&step, rows, rows + Random(i % 5 == 0 ? 200000 : 3000));
      }
      Check(step, i % 4 < 2);
    }
  }
}

TEST_F(StepTablesTest, AFewRowsASequenceAreFusedAndManyRowsGoWide) {
  Step few;
  Add(&few, 8, 500);
  Add(&few, 1, 70);
  Step many;
  Add(&many, 64, 500);
  Add(&many, 1, 70);
  std::bitset<kCodecCount> all;
  StepTables tables(spec_, kMultiprocessors, all.set(), false);
  ASSERT_TRUE(tables.Build(few).ok());
  EXPECT_TRUE(tables.fused);
  EXPECT_TRUE(tables.plans[0].wide.empty());
  ASSERT_TRUE(tables.Build(many).ok());
  EXPECT_FALSE(tables.fused);
  EXPECT_EQ(tables.plans[0].wide.size(), 2U);
  EXPECT_FALSE(tables.plans[0].items.empty());
}

TEST_F(StepTablesTest, AShortContextHasSmallChunksUnlessSumsAreFixed) {
  Step short_one, long_one;
  Add(&short_one, 1, 600);
  Add(&long_one, 1, 60000);
  std::bitset<kCodecCount> none;
  StepTables tables(spec_, kMultiprocessors, none, false);
  ASSERT_TRUE(tables.Build(short_one).ok());
  EXPECT_EQ(tables.plans[0].chunk_blocks, cuda::kSmallChunkBlocks);
  EXPECT_EQ(tables.plans[0].items.size(), 5U);  // chunks of 128
  ASSERT_TRUE(tables.Build(long_one).ok());
  EXPECT_EQ(tables.plans[0].chunk_blocks, cuda::kChunkBlocks);
  StepTables fixed(spec_, kMultiprocessors, none, true);
  ASSERT_TRUE(fixed.Build(short_one).ok());
  EXPECT_EQ(fixed.plans[0].chunk_blocks, cuda::kChunkBlocks);
}

TEST_F(StepTablesTest, ALongContextFillsTheGpu) {
  Step step;
  Add(&step, 1, 131072);
  std::bitset<kCodecCount> none;
  StepTables tables(spec_, kMultiprocessors, none, false);
  ASSERT_TRUE(tables.Build(step).ok());
  const size_t items = tables.plans[0].items.size() * spec_.kv_heads;
  EXPECT_GT(items, kMultiprocessors / 2);
  EXPECT_LE(items, 4 * kMultiprocessors);
}

TEST_F(StepTablesTest, RefusesSeveralCodecsInOneSequence) {
  Step step;
  Add(&step, 1, 100);
  KvSegment other;
  other.codec = CodecId::kI8;
  other.base = 128;
  step.sequences[0].segments.push_back(other);
  StepTables tables(spec_, kMultiprocessors, {}, false);
  EXPECT_EQ(tables.Build(step).code(), Code::kUnsupported);
}

}  // namespace
}  // namespace wring
