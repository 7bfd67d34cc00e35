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

// Tiles of rows as a 7B model and a small one have them, on 132 multiprocessors.
TEST(NarrowCutTest, FillsTheGpuWithoutLargeClusters) {
  const auto blocks = [](uint32_t tiles, uint32_t strips, bool gated) {
    const NarrowCut c = CutNarrow(tiles, strips, gated, 132);
    EXPECT_GE(c.groups, 1U);
    EXPECT_LE(c.groups, 3U);
    EXPECT_LE(c.splits, gated ? 1U : 4U);
    return (tiles + 4 * c.groups - 1) / (4 * c.groups) * c.splits;
  };
  EXPECT_EQ(blocks(1376, 64, true), 115U);
  EXPECT_EQ(blocks(256, 64, false), 128U);
  EXPECT_EQ(blocks(256, 172, false), 128U);
  EXPECT_GE(blocks(768, 64, false), 96U);
  EXPECT_LE(blocks(768, 64, false), 132U);
  EXPECT_EQ(blocks(36, 9, false), 9U) << "too little for a cluster";
  EXPECT_EQ(CutNarrow(1, 1, false, 132).splits, 1U);
}

TEST(WorkspaceTest, IsSmallForALargeVocabulary) {
  EXPECT_LE(SplitFloats(8016, 2048, 132) * sizeof(float), uint64_t{64} << 20);
}

}  // namespace
}  // namespace wring::cuda
