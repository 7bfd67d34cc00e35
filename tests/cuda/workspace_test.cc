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

TEST(WorkspaceTest, IsSmallForALargeVocabulary) {
  EXPECT_LE(SplitFloats(8016, 2048, 132) * sizeof(float), uint64_t{64} << 20);
}

}  // namespace
}  // namespace wring::cuda
