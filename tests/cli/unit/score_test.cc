#include "cli/score.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "cli/reference_file.h"

namespace wring::cli {
namespace {

TEST(Mean, GivesTheStandardError) {
  Mean m;
  for (const double x : {1.0, 2.0, 3.0, 4.0}) m.Add(x);
  EXPECT_DOUBLE_EQ(m.Get().value, 2.5);
  EXPECT_NEAR(m.Get().error, std::sqrt(5.0 / 3.0 / 4.0), 1e-12);
}

TEST(LogSoftmax, SumsToOne) {
  const std::vector<float> logits = {1.0F, -2.0F, 80.0F, 79.0F};
  std::vector<float> log_p;
  LogSoftmax(logits, &log_p);
  EXPECT_NEAR(std::exp(log_p[2]) + std::exp(log_p[3]), 1.0, 1e-6);
  EXPECT_NEAR(log_p[2], -std::log1p(std::exp(-1.0)), 1e-6);
}

TEST(Divergence, OfTwoCoins) {
  const std::vector<float> base = {std::log(0.5F), std::log(0.5F)};
  const std::vector<float> ours = {std::log(0.25F), std::log(0.75F)};
  Divergence d;
  d.Add(base, ours, 0);
  EXPECT_NEAR(d.kl.Get().value, 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3.0), 1e-6);
  EXPECT_NEAR(d.squared_change.Get().value, 0.0625, 1e-6);
  EXPECT_EQ(d.same_top.Get().value, 0.0);
  EXPECT_NEAR(d.loss_difference.Get().value, std::log(2.0), 1e-6);
}

// A stored reference is off by a common factor after rounding; that must not count as divergence.
TEST(Divergence, NormalisesTheReference) {
  std::vector<float> ours = {std::log(0.5F), std::log(0.5F)};
  std::vector<float> base = ours;
  for (float& x : base) x += 0.01F;
  Divergence d;
  d.Add(base, ours, 1);
  EXPECT_NEAR(d.kl.Get().value, 0.0, 1e-7);
}

class ReferenceFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("wring-reference-{}", getpid());
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / "base").string();
    header_ = ReferenceHeader::For(ids_, windows_, 3, 4);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write() {
    auto writer = ReferenceWriter::Create(path_, header_);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    const std::vector<float> row = {-0.5F, -1.0F, -1e30F};
    for (uint64_t i = 0; i < header_.scored; ++i) ASSERT_TRUE(writer->Add(row).ok());
    ASSERT_TRUE(writer->Commit().ok());
  }

  std::vector<int32_t> ids_ = {0, 1, 2, 1};
  std::vector<Window> windows_ = {{0, 2, 4}};
  ReferenceHeader header_;
  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(ReferenceFileTest, RoundTrip) {
  Write();
  auto reader = ReferenceReader::Open(path_, header_);
  ASSERT_TRUE(reader.ok()) << reader.status().message();
  const auto row = reader->Row(1);
  EXPECT_EQ(row[1], -1.0F);
  EXPECT_EQ(row[2], -65504.0F);
}

TEST_F(ReferenceFileTest, RefusesAnotherText) {
  Write();
  ids_[1] = 2;
  EXPECT_FALSE(ReferenceReader::Open(path_, ReferenceHeader::For(ids_, windows_, 3, 4)).ok());
}

TEST_F(ReferenceFileTest, RefusesEveryTruncation) {
  Write();
  for (auto size = std::filesystem::file_size(path_); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    EXPECT_FALSE(ReferenceReader::Open(path_, header_).ok()) << size;
  }
}

}  // namespace
}  // namespace wring::cli
