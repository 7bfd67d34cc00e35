// The room that split products share, which needs no GPU: enough for every product, and little.
#include <gtest/gtest.h>

#include "kernels/cuda/kernels.h"

namespace wring::cuda {
namespace {

TEST(WorkspaceTest, HoldsTheSplitsOfEveryProduct) {
  constexpr uint32_t kMost = 4096;
  for (const uint32_t multiprocessors : {16U, 108U, 132U}) {
    const uint64_t room = SplitFloats(kMost, 2048, multiprocessors);
    for (uint32_t tiles = 1; tiles <= kMost; tiles += 1 + tiles / 16) {
      for (uint32_t rows = 9; rows <= kWideRows; ++rows) {
        const uint64_t splits = WideSplits(tiles, rows, multiprocessors);
        const uint64_t needs = splits > 1 ? splits * rows * tiles * 16 : 0;
        ASSERT_LE(needs, SplitFloats(tiles, rows, multiprocessors)) << tiles << " " << rows;
        ASSERT_LE(needs, room) << tiles << " tiles, " << rows << " rows";
      }
      for (uint32_t rows = 1; rows <= kSplitRows; ++rows) {
        if (!SplitsSegments(tiles, rows)) continue;
        ASSERT_LE(uint64_t{kSegments} * rows * tiles * 16,
                  SplitFloats(tiles, rows, multiprocessors));
      }
    }
  }
}

LinearArgs Matrices(std::initializer_list<uint32_t> tiles, uint32_t strips) {
  LinearArgs args;
  for (const uint32_t t : tiles) {
    args.part[args.parts].w.tiles = t;
    args.part[args.parts++].w.strips = strips;
  }
  return args;
}

TEST(NarrowCutTest, BlocksHaveTilesOfOnePartOrOfGateAndUp) {
  EXPECT_EQ(RowBlocks(Matrices({9, 4, 4}, 1), false, 4), 3U + 1 + 1);
  EXPECT_EQ(RowBlocks(Matrices({9, 9}, 1), true, 4), 5U);
}

// As a 7B model and a small one have them, on 132 multiprocessors; float16 and packed weights.
TEST(NarrowCutTest, FillsTheGpuWithoutLargeClusters) {
  for (const uint32_t half_rows : {0U, 64U}) {
    const auto blocks = [half_rows](const LinearArgs& args, bool gated) {
      const NarrowCut c = CutNarrow(args, half_rows, gated, 132);
      EXPECT_GE(c.tiles, gated ? 2U : 1U);
      EXPECT_LE(c.tiles, half_rows == 0 ? 12U : 14U);
      EXPECT_TRUE(!gated || c.tiles % 2 == 0) << c.tiles;
      EXPECT_TRUE(half_rows > 0 || c.tiles % 4 == 0) << c.tiles;
      EXPECT_LE(c.splits, kMostSplits);
      return RowBlocks(args, gated, c.tiles) * c.splits;
    };
    EXPECT_EQ(blocks(Matrices({688, 688}, 64), true), 115U);
    EXPECT_EQ(blocks(Matrices({256}, 64), false), 128U);
    EXPECT_EQ(blocks(Matrices({256}, 172), false), 128U);
    const uint32_t qkv = blocks(Matrices({256, 256, 256}, 64), false);
    EXPECT_GE(qkv, 96U);
    EXPECT_LE(qkv, 132U);
    EXPECT_EQ(CutNarrow(Matrices({1}, 1), half_rows, false, 132).splits, 1U);
  }
  EXPECT_EQ(CutNarrow(Matrices({36}, 9), 0, false, 132).splits, 1U) << "too little for a cluster";
}

TEST(WorkspaceTest, IsSmallForALargeVocabulary) {
  EXPECT_LE(SplitFloats(8016, 2048, 132) * sizeof(float), uint64_t{64} << 20);
}

}  // namespace
}  // namespace wring::cuda
