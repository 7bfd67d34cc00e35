#include <gtest/gtest.h>

#include <algorithm>

#include "formats/safetensors.h"
#include "support/random_weights.h"
#include "support/test_data.h"

namespace wring {
namespace {

std::string Lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

class WeightFormatTest : public ::testing::TestWithParam<int> {
 protected:
  const WeightFormat& format() const { return Format(static_cast<FormatId>(GetParam())); }
};

using BlockFormatTest = WeightFormatTest;

TEST_P(BlockFormatTest, EqualsReferenceDequantiserBitForBit) {
  const auto path =
      testing::TreeDir() / "tests/goldens/dequant" / (Lower(format().name()) + ".safetensors");
  auto file = OpenSafetensors(path.string());
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto* blocks = file->Find("blocks");
  const auto* values = file->Find("values");
  ASSERT_TRUE(blocks != nullptr && values != nullptr);
  const uint64_t cols = values->elements();
  std::vector<float> out(cols);
  format().DequantStored(file->Bytes(*blocks).data(), cols, out.data());
  const auto* expected = file->Bytes(*values).data();
  // NaN of any payload equals NaN; every other value is equal to the bit.
  for (uint64_t i = 0; i < cols; ++i) {
    float e;
    std::memcpy(&e, expected + 4 * i, 4);
    ASSERT_EQ(std::memcmp(&out[i], &e, 4), 0) << "element " << i << ": " << out[i] << " and " << e;
  }
}

TEST_P(WeightFormatTest, PackingKeepsEveryValue) {
  for (uint32_t rows : {1U, 16U, 37U}) {
    const uint32_t cols = format().block_cols() > 32 ? 512 : 96;
    const auto m = testing::MakeMatrix(format().id(), rows, cols, 11 + rows);
    std::vector<float> a(cols), b(cols);
    for (uint32_t r = 0; r < rows; ++r) {
      m.matrix.DequantRow(r, a.data());
      m.stored_matrix.DequantRow(r, b.data());
      ASSERT_EQ(std::memcmp(a.data(), b.data(), cols * 4), 0) << "row " << r;
    }
    EXPECT_TRUE(format().FinitePanel(m.matrix.panel(0), cols));
  }
}

TEST_P(WeightFormatTest, RotaryPairsBecomeHalves) {
  const uint32_t cols = format().block_cols() > 32 ? 256 : 32;
  const uint32_t head = 8;
  const auto m = testing::MakeMatrix(format().id(), 32, cols, 3, RowOrder::kInterleavedPairs, head);
  PackedMatrix plain = m.stored_matrix;
  plain.order = RowOrder::kPlain;
  std::vector<float> got(cols), want(cols);
  for (uint32_t r = 0; r < 32; ++r) {
    const uint32_t i = r % head;
    const uint32_t stored = r - i + (i < head / 2 ? 2 * i : 2 * (i - head / 2) + 1);
    m.matrix.DequantRow(r, got.data());
    plain.DequantRow(stored, want.data());
    ASSERT_EQ(got, want) << r;
  }
}

TEST_P(WeightFormatTest, SeesWeightsThatAreNotFinite) {
  const uint32_t cols = format().block_cols() > 32 ? 256 : 32;
  auto m = testing::MakeMatrix(format().id(), 16, cols, 5);
  const uint16_t infinity = format().stored() == DType::kBF16 ? 0x7f80 : 0x7c00;
  const size_t at = format().stored() == DType::kQ6_K   ? 208
                    : format().stored() == DType::kQ3_K ? 108
                    : format().stored() == DType::kQ2_K ? 80
                                                        : 0;
  if (format().stored() == DType::kF32 || format().id() > FormatId::kMXFP4) {
    const float v = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(m.stored.data(), &v, 4);
  } else if (format().stored() == DType::kMXFP4) {
    m.stored[0] = std::byte{255};
  } else {
    std::memcpy(m.stored.data() + at, &infinity, 2);
  }
  std::vector<std::byte> panel(m.matrix.panel_stride);
  m.stored_matrix.PackInto(0, m.stored.data(), panel.data());
  EXPECT_FALSE(format().FinitePanel(panel.data(), cols));
}

std::string FormatName(const ::testing::TestParamInfo<int>& param) {
  return testing::NameOf(static_cast<FormatId>(param.param));
}
INSTANTIATE_TEST_SUITE_P(All, WeightFormatTest, ::testing::Range(0, static_cast<int>(kFormatCount)),
                         FormatName);
// GGUF's types; those of quantised checkpoints are tested by their readers.
INSTANTIATE_TEST_SUITE_P(All, BlockFormatTest,
                         ::testing::Range(3, static_cast<int>(FormatId::kMXFP4) + 1), FormatName);

TEST(HalfTest, EveryHalfSurvivesTheWayThroughFloat) {
  for (uint32_t h = 0; h < 65536; ++h) {
    if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff) != 0) continue;  // NaN keeps no payload
    EXPECT_EQ(F32ToF16(F16ToF32(static_cast<uint16_t>(h))), h);
    EXPECT_EQ(F32ToBF16(BF16ToF32(static_cast<uint16_t>(h))),
              (h & 0x7f80) == 0x7f80 && (h & 0x7f) ? (h | 0x40) : h);
  }
}

TEST(HalfTest, RoundsToNearestEven) {
  EXPECT_EQ(F32ToF16(1.0F + 0x1p-11F), 0x3c00);  // a tie goes to even
  EXPECT_EQ(F32ToF16(1.0F + 3 * 0x1p-11F), 0x3c02);
  EXPECT_EQ(F32ToF16(65519.0F), 0x7bff);
  EXPECT_EQ(F32ToF16(65520.0F), 0x7c00);
  EXPECT_EQ(F32ToF16(0x1p-25F), 0x0000);
  EXPECT_EQ(F32ToF16(0x1.8p-25F), 0x0001);
}

}  // namespace
}  // namespace wring
