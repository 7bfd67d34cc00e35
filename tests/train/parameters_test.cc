#include "train/parameters.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "formats/safetensors_writer.h"
#include "gradient_check.h"

namespace wring::testing {
namespace {

using namespace train;  // NOLINT: the subject

Parameters Small(uint64_t seed) {
  Parameters p(seed);
  p.Add("conv.weight", {3, 4, 5}, Init::kHe);
  p.Add("conv.bias", {5}, Init::kZero);
  p.Add("norm.gain", {5}, Init::kOne);
  p.Add("head \"x\"", {5, 1}, Init::kXavier);
  return p;
}

std::vector<float> Values(const Tensor& t) { return {t.values().begin(), t.values().end()}; }

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void ExpectSentence(const Status& status, std::string_view part) {
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  EXPECT_TRUE(status.message().starts_with("net.safetensors: ")) << status.message();
  EXPECT_NE(status.message().find("; "), std::string::npos) << status.message();
}

TEST(Parameters, FirstValuesDependOnSeedNameAndShapeAlone) {
  const Parameters a = Small(1), b = Small(1), c = Small(2);
  EXPECT_EQ(a.Count(), 75U);
  EXPECT_EQ(Values(a.Find("conv.weight")), Values(b.Find("conv.weight")));
  EXPECT_NE(Values(a.Find("conv.weight")), Values(c.Find("conv.weight")));
  Parameters alone(1);
  alone.Add("other", {3, 4, 5}, Init::kHe);
  const Tensor same = alone.Add("conv.weight", {3, 4, 5}, Init::kHe);
  EXPECT_EQ(Values(a.Find("conv.weight")), Values(same));
  EXPECT_NE(Values(alone.Find("other")), Values(same));
  EXPECT_FALSE(a.Find("absent"));
}

TEST(Parameters, FirstValuesFillTheirRangeEvenly) {
  Parameters p(3);
  const auto check = [](const Tensor& t, double limit) {
    double sum = 0, squares = 0, top = 0;
    for (const float v : t.values()) {
      const auto x = static_cast<double>(v);
      sum += x;
      squares += x * x;
      top = std::max(top, std::abs(x));
    }
    const auto n = static_cast<double>(t.size());
    EXPECT_LE(top, limit);
    EXPECT_GT(top, 0.99 * limit);
    EXPECT_NEAR(sum / n, 0, 0.02 * limit);
    EXPECT_NEAR(squares / n, limit * limit / 3, 0.02 * limit * limit);
  };
  check(p.Add("a", {5, 40, 60}, Init::kHe), std::sqrt(6.0 / 200));
  check(p.Add("b", {5, 40, 60}, Init::kXavier), std::sqrt(6.0 / 500));
  check(p.Add("c", {100, 120}, Init::kXavier), std::sqrt(6.0 / 220));
}

TEST(Parameters, SavedValuesComeBackWithTheirMetadata) {
  const auto path =
      (std::filesystem::temp_directory_path() / "wring_train_net.safetensors").string();
  const Parameters a = Small(1), b = Small(2);
  ASSERT_TRUE(a.Save(path, {{"labels", "speech \"\xc3\xa9\""}}).ok());
  const auto metadata = b.LoadFile(path);
  ASSERT_TRUE(metadata.ok()) << metadata.status().message();
  EXPECT_EQ(metadata->at("labels"), "speech \"\xc3\xa9\"");
  for (size_t i = 0; i < a.list().size(); ++i) {
    EXPECT_EQ(Values(a.list()[i].tensor), Values(b.list()[i].tensor)) << a.list()[i].name;
  }
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(bytes, *a.Bytes({{"labels", "speech \"\xc3\xa9\""}}));
  std::filesystem::remove(path);
  EXPECT_EQ(a.LoadFile(path).status().code(), Code::kNotFound);
  EXPECT_FALSE(a.Save("/nonexistent/net.safetensors").ok());
}

TEST(Parameters, FrozenOnesStayOutOfTheFile) {
  Parameters p(1);
  p.Add("base", Random({2, 2}, 1), true, false);
  p.Add("lora", {2, 2}, Init::kZero);
  const std::string bytes = *p.Bytes();
  EXPECT_EQ(bytes.find("base"), std::string::npos);
  EXPECT_TRUE(p.Load(AsBytes(bytes), "net.safetensors").ok());
}

TEST(Parameters, EveryCutFileIsRefused) {
  const Parameters a = Small(1), b = Small(2);
  const auto before = Values(b.Find("conv.weight"));
  const std::string bytes = *a.Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto result = b.Load(AsBytes(bytes).first(size), "net.safetensors");
    ASSERT_FALSE(result.ok()) << size;
    ExpectSentence(result.status(), "");
  }
  EXPECT_EQ(Values(b.Find("conv.weight")), before);
}

TEST(Parameters, GarbledAndForeignFilesAreRefusedAndChangeNothing) {
  const Parameters net = Small(2);
  const auto before = Values(net.Find("conv.weight"));
  const auto refuse = [&](const std::string& bytes, Code code, std::string_view part) {
    const auto result = net.Load(AsBytes(bytes), "net.safetensors");
    ASSERT_FALSE(result.ok()) << part;
    EXPECT_EQ(result.status().code(), code);
    ExpectSentence(result.status(), part);
    EXPECT_EQ(Values(net.Find("conv.weight")), before);
  };
  std::string garbled = *Small(1).Bytes();
  garbled[12] = '\x01';
  refuse(garbled, Code::kCorrupt, "");
  Parameters shape(1), more = Small(1), less(1);
  shape.Add("conv.weight", {3, 5, 4}, Init::kHe);
  refuse(*shape.Bytes(), Code::kInvalid, "is F32 [3, 5, 4] where the network has F32 [3, 4, 5]");
  more.Add("extra", {1}, Init::kOne);
  refuse(*more.Bytes(), Code::kInvalid, "has a tensor 'extra' that the network has not");
  less.Add("conv.weight", {3, 4, 5}, Init::kHe);
  refuse(*less.Bytes(), Code::kNotFound, "has no tensor 'conv.bias'");
  const Parameters bad = Small(1);
  bad.Find("norm.gain").data()[3] = std::numeric_limits<float>::quiet_NaN();
  refuse(*bad.Bytes(), Code::kCorrupt, "'norm.gain' holds a value that is no number");
}

TEST(SafetensorsWriter, RefusesWhatNoReaderWouldTake) {
  const std::vector<float> values(6);
  const auto bytes = std::as_bytes(std::span(values));
  const auto write = [](std::vector<TensorToWrite> tensors) {
    return SafetensorsBytes(tensors).status();
  };
  EXPECT_TRUE(write({{"a", DType::kF32, {2, 3}, bytes}, {"b", DType::kF32, {6}, bytes}}).ok());
  EXPECT_FALSE(write({{"a", DType::kF32, {6}, bytes}, {"a", DType::kF32, {6}, bytes}}).ok());
  EXPECT_FALSE(write({{"", DType::kF32, {6}, bytes}}).ok());
  EXPECT_FALSE(write({{"__metadata__", DType::kF32, {6}, bytes}}).ok());
  EXPECT_FALSE(write({{"a", DType::kF32, {5}, bytes}}).ok());
  EXPECT_FALSE(write({{"a", DType::kF32, {1ULL << 63, 4}, bytes}}).ok());
  EXPECT_FALSE(write({{"a", DType::kQ8_0, {6}, bytes}}).ok());
}

}  // namespace
}  // namespace wring::testing
