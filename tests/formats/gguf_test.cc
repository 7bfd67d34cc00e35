#include "formats/gguf.h"

#include <chrono>

#include "damage.h"
#include "file_builder.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::AsBytes;
using testing::DataDir;
using testing::GgufBuilder;
using testing::Le;
using testing::SmallGguf;
using testing::TempDir;

TEST(Gguf, MetadataKeepsItsTypes) {
  const auto bytes = SmallGguf().Build();
  auto file = ParseGguf(AsBytes(bytes), "file");
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto& m = file->metadata;
  EXPECT_EQ(file->version, 3U);
  EXPECT_EQ(*m.String("general.architecture"), "llama");
  EXPECT_EQ(m.Int("u8"), 200);
  EXPECT_EQ(m.Int("i8"), -3);
  EXPECT_EQ(m.Int("u16"), 60000);
  EXPECT_EQ(m.Int("i16"), -300);
  EXPECT_EQ(m.Int("u32"), 4000000000);
  EXPECT_EQ(m.Int("i32"), -70000);
  EXPECT_EQ(m.Int("i64"), -5);
  EXPECT_EQ(m.Number("f32"), 0.5);
  EXPECT_EQ(m.Number("f64"), 0.1);
  EXPECT_EQ(m.Number("i8"), -3.0);
  EXPECT_EQ(m.Bool("yes"), true);
  EXPECT_EQ(*m.Strings("tokens"), (std::vector<std::string>{"a", "", "\xc4\xa0the"}));
  EXPECT_EQ(m.Numbers("scores"), (std::vector<double>{0, -1.5}));
  EXPECT_EQ(m.Ints("types"), (std::vector<int64_t>{1, -6}));
  EXPECT_EQ(m.Ints("bytes"), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(*m.Bools("flags"), (std::vector<bool>{false, true}));
}

TEST(Gguf, AWrongTypeIsAbsent) {
  const auto bytes = SmallGguf().Build();
  auto file = ParseGguf(AsBytes(bytes), "file");
  ASSERT_TRUE(file.ok());
  const auto& m = file->metadata;
  EXPECT_FALSE(m.Int("u64"));  // 2^63 does not fit
  EXPECT_EQ(m.Number("u64"), 0x1p63);
  EXPECT_FALSE(m.Int("f32"));
  EXPECT_FALSE(m.Int("yes"));
  EXPECT_FALSE(m.Int("general.architecture"));
  EXPECT_FALSE(m.Int("types"));
  EXPECT_FALSE(m.Bool("u8"));
  EXPECT_EQ(m.String("u8"), nullptr);
  EXPECT_EQ(m.String("tokens"), nullptr);
  EXPECT_EQ(m.Strings("scores"), nullptr);
  EXPECT_EQ(m.Strings("general.architecture"), nullptr);
  EXPECT_FALSE(m.Ints("scores"));
  EXPECT_FALSE(m.Ints("tokens"));
  EXPECT_FALSE(m.Numbers("tokens"));
  EXPECT_FALSE(m.Has("absent"));
  EXPECT_TRUE(m.Has("tokens"));
}

TEST(Gguf, TensorsAreOutermostFirstAndPlaced) {
  TempDir dir;
  const auto bytes = SmallGguf().Build();
  auto file = OpenGguf(dir.Write("small.gguf", bytes));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const uint64_t data = bytes.size() - 176;
  const auto* a = file->tensors.Find("a.weight");
  const auto* c = file->tensors.Find("c.weight");
  ASSERT_TRUE(a != nullptr && c != nullptr);
  EXPECT_EQ(a->dtype, DType::kQ8_0);
  EXPECT_EQ(a->shape, (std::vector<uint64_t>{2, 32}));
  EXPECT_EQ(a->bytes, 68U);
  EXPECT_EQ(a->offset, data);
  EXPECT_EQ(c->shape, (std::vector<uint64_t>{4, 3, 2}));
  EXPECT_EQ(c->offset, data + 128);
  EXPECT_EQ(file->tensors.Bytes(*c).size(), 48U);
  EXPECT_EQ(file->tensors.Bytes(*c)[47], std::byte{0x3c});
  EXPECT_EQ(file->tensors.Find("absent"), nullptr);
}

TEST(Gguf, EveryReadableTensorType) {
  const std::pair<uint32_t, DType> types[] = {
      {0, DType::kF32},   {1, DType::kF16},   {2, DType::kQ4_0}, {3, DType::kQ4_1},
      {6, DType::kQ5_0},  {7, DType::kQ5_1},  {8, DType::kQ8_0}, {12, DType::kQ4_K},
      {13, DType::kQ5_K}, {14, DType::kQ6_K}, {24, DType::kI8},  {25, DType::kI16},
      {26, DType::kI32},  {27, DType::kI64},  {28, DType::kF64}, {30, DType::kBF16}};
  for (const auto& [number, dtype] : types) {
    const auto bytes = GgufBuilder().Tensor("t", {256, 2}, number, 0).Data(4096).Build();
    auto file = ParseGguf(AsBytes(bytes), "file");
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->tensors.Find("t")->dtype, dtype);
    EXPECT_EQ(file->tensors.Find("t")->bytes, StorageBytes(dtype, 512));
  }
}

TEST(Gguf, Version2AndOtherAlignments) {
  auto small = SmallGguf();
  small.version = 2;
  EXPECT_TRUE(ParseGguf(AsBytes(small.Build()), "file").ok());
  for (uint32_t alignment : {8U, 64U, 4096U, 1U << 20}) {
    GgufBuilder b;
    b.Entry("general.alignment", kGgufU32, Le(alignment)).Tensor("t", {4}, 0, alignment);
    b.alignment = alignment;
    const auto bytes = b.Data(alignment + 16).Build();
    auto file = ParseGguf(AsBytes(bytes), "file");
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->tensors.Find("t")->offset % alignment, 0U);
  }
}

TEST(Gguf, VocabulariesOfTheSharedDataAreReadInMilliseconds) {
  const auto path = DataDir() / "tokenizers/vocab-gguf";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto start = std::chrono::steady_clock::now();
    auto file = OpenGguf(entry.path().string());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(file->tensors.tensors.empty());
    const auto* tokens = file->metadata.Strings("tokenizer.ggml.tokens");
    ASSERT_NE(tokens, nullptr);
    EXPECT_GT(tokens->size(), 30000U);
    EXPECT_LT(took.count(), 1.0) << entry.path();  // a bound for sanitizers; 1 to 6 ms as released
    ++files;
  }
  EXPECT_GT(files, 10);
}

TEST(Gguf, ModelsOfTheCache) {
  const auto path = testing::ModelDir();
  WRING_SKIP_WITHOUT(path, "fetch a model");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.path().extension() != ".gguf") continue;
    auto file = OpenGguf(entry.path().string());
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_FALSE(file->tensors.tensors.empty());
    EXPECT_TRUE(file->metadata.Has("general.architecture"));
  }
}

}  // namespace
}  // namespace wring
