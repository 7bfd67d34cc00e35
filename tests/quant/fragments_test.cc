// Fragments hold the weights that panels hold, to float16.
#include "quant/fragments/fragments.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random_weights.h"

namespace wring {
namespace {

class FragmentsTest : public ::testing::TestWithParam<FormatId> {};

TEST_P(FragmentsTest, HoldEveryWeightOfThePanels) {
  const FormatId format = GetParam();
  for (const auto& [rows, cols] : {std::pair{16U, 256U}, {40U, 1024U}, {33U, 768U}}) {
    const auto random = testing::MakeMatrix(format, rows, cols, 11);
    const FragmentMatrix f = {format, rows, cols, nullptr};
    std::vector<std::byte> tile(f.tile_bytes());
    std::vector<float> panel(cols);
    std::vector<float> fragment(cols);
    for (uint32_t t = 0; t < f.row_tiles(); ++t) {
      const Status packed = PackFragments(format, random.matrix.panel(t), cols, tile.data());
      ASSERT_TRUE(packed.ok()) << packed.message();
      for (uint32_t r = 0; r < 16 && t * 16 + r < rows; ++r) {
        Format(format).DequantPacked(random.matrix.panel(t), r, cols, panel.data());
        ReadFragments(f, tile.data(), r, fragment.data());
        float most = 0;
        for (float v : panel) most = std::max(most, std::abs(v));
        for (uint32_t c = 0; c < cols; ++c) {
          // Scale, min and weight are rounded once each, to 11 bits of the largest of them.
          ASSERT_NEAR(fragment[c], panel[c], most * 0x1p-9F) << "row " << r << " column " << c;
        }
      }
    }
  }
}

TEST_P(FragmentsTest, TakeAsManyBytesAsTheFormatAndSixPercentAtMost) {
  const FragmentMatrix f = {GetParam(), 4096, 4096, nullptr};
  const uint64_t stored = 4096 * Format(GetParam()).row_bytes(4096);
  const uint64_t half = uint64_t{2} * 4096 * 4096;
  const bool plain = Format(GetParam()).block_cols() == 1;
  EXPECT_LE(f.bytes(), plain ? half : stored * 106 / 100);
}

INSTANTIATE_TEST_SUITE_P(Formats, FragmentsTest,
                         ::testing::Values(FormatId::kF32, FormatId::kF16, FormatId::kBF16,
                                           FormatId::kQ8_0, FormatId::kQ4_0, FormatId::kQ4_1,
                                           FormatId::kQ5_0, FormatId::kQ5_1, FormatId::kQ4_K,
                                           FormatId::kQ5_K, FormatId::kQ6_K, FormatId::kQ2_K,
                                           FormatId::kQ3_K, FormatId::kIQ4_NL, FormatId::kIQ4_XS,
                                           FormatId::kMXFP4, FormatId::kInt4G32,
                                           FormatId::kInt4G128, FormatId::kFp8G32,
                                           FormatId::kFp8G128),
                         [](const auto& p) { return testing::NameOf(p.param); });

TEST(FragmentsTest, RefuseWeightsThatFloat16CannotHold) {
  auto random = testing::MakeMatrix(FormatId::kF32, 16, 256, 1);
  const float large = 300;
  std::memcpy(random.panels.data(), &large, 4);
  std::vector<std::byte> tile(FragmentMatrix{FormatId::kF32, 16, 256, nullptr}.tile_bytes());
  const Status s = PackFragments(FormatId::kF32, random.matrix.panel(0), 256, tile.data());
  ASSERT_FALSE(s.ok());
  EXPECT_NE(s.message().find("--device cpu"), std::string::npos);
}

}  // namespace
}  // namespace wring
