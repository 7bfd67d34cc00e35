#include "formats/safetensors.h"

#include "damage.h"
#include "file_builder.h"
#include "support/test_data.h"

namespace wring::testing {
namespace {

constexpr uint64_t kHuge = ~uint64_t{0};

Status Parse(const std::string& bytes) {
  return ToStatus(ParseSafetensors(AsBytes(bytes), "file"));
}

// One tensor `t` described by `fields`, in a file of `data` bytes.
std::string One(const std::string& fields, size_t data) {
  return Safetensors("{\"t\":{" + fields + "}}", data);
}

std::string Two(const std::string& a, const std::string& b, size_t data) {
  const std::string u8 = R"("dtype":"U8","shape":[4],"data_offsets":)";
  return Safetensors("{\"a\":{" + u8 + a + "},\"b\":{" + u8 + b + "}}", data);
}

TEST(Safetensors, SmallFile) {
  TempDir dir;
  auto file = OpenSafetensors(dir.Write("small.safetensors", SmallSafetensors()));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors.size(), 2U);
  const auto* b = file->Find("b");
  EXPECT_EQ(b->dtype, DType::kBF16);
  EXPECT_EQ(b->shape, std::vector<uint64_t>{3});
  EXPECT_EQ(b->bytes, 6U);
  EXPECT_EQ(b->offset, SmallSafetensors().size() - 6);
  EXPECT_EQ(file->Bytes(*b)[5], std::byte{0x3c});
  const auto bytes = SmallSafetensors();
  EXPECT_EQ(ParseSafetensors(AsBytes(bytes), "file")->metadata.at("format"), "pt");
}

TEST(Safetensors, ScalarsEmptyTensorsAndEmptyFiles) {
  EXPECT_TRUE(Parse(Safetensors("{}", 0)).ok());
  EXPECT_TRUE(Parse(One(R"("dtype":"I64","shape":[],"data_offsets":[0,8])", 8)).ok());
  EXPECT_TRUE(Parse(One(R"("dtype":"F32","shape":[0,7],"data_offsets":[0,0])", 0)).ok());
}

TEST(SafetensorsDamage, Header) {
  RunDamage(
      {
          {"seven bytes", std::string(7, '\0'), Code::kCorrupt, "is not a safetensors file"},
          {"length alone", Le<uint64_t>(2), Code::kCorrupt, "is not a safetensors file"},
          {"length 2^64-1", Le(kHuge) + "{}", Code::kCorrupt, "its header claims"},
          {"length 2^63", Le<uint64_t>(1ULL << 63) + "{}", Code::kCorrupt, "its header claims"},
          {"length above 100 MB", Le<uint64_t>(100'000'001) + "{}", Code::kCorrupt,
           "its header claims"},
          {"length 0", Le<uint64_t>(0) + "{}", Code::kCorrupt, "its header claims 0"},
          {"length beyond the file", Le<uint64_t>(50) + "{}", Code::kCorrupt, "too early"},
          {"first byte is no brace", Safetensors(" {}", 0), Code::kCorrupt, "is not a safetensors"},
          {"an array", Safetensors("[]", 0), Code::kCorrupt, "is not a safetensors file"},
          {"no JSON", Safetensors("{]", 0), Code::kCorrupt, "not valid JSON at byte"},
          {"unclosed", Safetensors("{\"a\":{", 0), Code::kCorrupt, "not valid JSON"},
          {"text behind the object", Safetensors("{} x", 0), Code::kCorrupt, "not valid JSON"},
          {"not UTF-8", Safetensors("{\"\xff\":1}", 0), Code::kCorrupt, "not valid JSON"},
          {"zero bytes as padding", Safetensors(std::string("{}\0\0", 4), 0), Code::kCorrupt,
           "zero byte"},
          {"number beyond double", Safetensors("{\"a\":1e999}", 0), Code::kCorrupt, "JSON"},
          {"100000 brackets", Safetensors("{\"a\":" + std::string(100000, '['), 0), Code::kCorrupt,
           "an array where none belongs"},
          {"Git LFS pointer", "version https://git-lfs.github.com/spec/v1\n", Code::kCorrupt,
           "git lfs pull"},
          {"__metadata__ of numbers", Safetensors(R"({"__metadata__":{"a":1}})", 0), Code::kCorrupt,
           "a number where none belongs"},
          {"__metadata__ twice", Safetensors(R"({"__metadata__":{},"__metadata__":{}})", 0),
           Code::kCorrupt, "__metadata__ twice"},
          {"bytes without a tensor", Safetensors("{}", 1), Code::kCorrupt, "its tensors end"},
      },
      Parse);
}

TEST(SafetensorsDamage, Tensors) {
  RunDamage(
      {
          {"a number for a tensor", Safetensors("{\"t\":1}", 0), Code::kCorrupt, "a number where"},
          {"null for a tensor", Safetensors("{\"t\":null}", 0), Code::kCorrupt, "null where"},
          {"empty name", Safetensors("{\"\":{}}", 0), Code::kCorrupt, "name is empty"},
          {"nothing in it", One("", 0), Code::kCorrupt, "lacks its dtype"},
          {"no offsets", One(R"("dtype":"U8","shape":[4])", 4), Code::kCorrupt, "lacks"},
          {"unknown field", One(R"("dtype":"U8","extra":1)", 4), Code::kCorrupt,
           "unknown field 'extra'"},
          {"dtype twice", One(R"("dtype":"U8","dtype":"F32")", 4), Code::kCorrupt, "dtype twice"},
          {"dtype is a number", One(R"("dtype":8)", 4), Code::kCorrupt, "a number where"},
          {"unknown dtype", One(R"("dtype":"F8_E5M2","shape":[4],"data_offsets":[0,4])", 4),
           Code::kUnsupported, "unsupported type 'F8_E5M2'"},
          {"a GGUF dtype", One(R"("dtype":"Q8_0","shape":[32],"data_offsets":[0,34])", 34),
           Code::kUnsupported, "unsupported type 'Q8_0'"},
          {"shape is text", One(R"("shape":"4")", 4), Code::kCorrupt, "a string where"},
          {"negative dimension", One(R"("shape":[-4])", 4), Code::kCorrupt, "negative number"},
          {"fraction", One(R"("shape":[4.0])", 4), Code::kCorrupt, "a fraction where"},
          {"dimension of 2^64", One(R"("shape":[18446744073709551616])", 4), Code::kCorrupt,
           "a fraction where"},
          {"9 dimensions", One(R"("shape":[1,1,1,1,1,1,1,1,1])", 4), Code::kCorrupt,
           "more than 8 dimensions"},
          {"array in the shape", One(R"("shape":[[4]])", 4), Code::kCorrupt, "an array where"},
          {"object in a tensor", One(R"("shape":{"a":4})", 4), Code::kCorrupt, "an object where"},
          {"product wraps",
           One(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0),
           Code::kCorrupt, "more elements"},
          {"bytes wrap",
           One(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])", 0),
           Code::kCorrupt, "does not fill"},
          {"offsets of one", One(R"("dtype":"U8","shape":[4],"data_offsets":[4])", 4),
           Code::kCorrupt, "lacks"},
          {"offsets of three", One(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,8])", 4),
           Code::kCorrupt, "more than 2"},
          {"offsets reversed", One(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])", 4),
           Code::kCorrupt, "does not fill"},
          {"fewer bytes than the shape",
           One(R"("dtype":"F32","shape":[4],"data_offsets":[0,4])", 4), Code::kCorrupt,
           "does not fill"},
          {"tensor twice",
           Safetensors(R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                       R"("t":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                       8),
           Code::kCorrupt, "'t' appears twice"},
          {"overlap", Two("[0,4]", "[2,6]", 6), Code::kCorrupt, "are taken"},
          {"same place", Two("[0,4]", "[0,4]", 4), Code::kCorrupt, "are taken"},
          {"hole", Two("[0,4]", "[5,9]", 9), Code::kCorrupt, "no gap"},
          {"hole at the start", Two("[1,5]", "[5,9]", 9), Code::kCorrupt, "no gap"},
          {"ends beyond the file", Two("[0,4]", "[4,8]", 7), Code::kCorrupt, "download was cut"},
          {"ends before the file", Two("[0,4]", "[4,8]", 9), Code::kCorrupt, "its tensors end"},
          {"offsets of 2^64-4",
           One(R"("dtype":"U8","shape":[3],"data_offsets":[18446744073709551612,)"
               R"(18446744073709551615])",
               3),
           Code::kCorrupt, "beyond any file"},
      },
      Parse);
}

TEST(SafetensorsDamage, EveryTruncation) { RunTruncation(SmallSafetensors(), Parse); }

TEST(SafetensorsDamage, RandomMutations) { RunMutations(SmallSafetensors(), 30000, 3, Parse); }

// ---- shards

std::string Shard(const std::string& name) {
  return Safetensors("{\"" + name + R"(":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 4);
}

std::string OpenSharded(const std::string& index) {
  TempDir dir;
  dir.Write("model-1.safetensors", Shard("a"));
  dir.Write("model-2.safetensors", Shard("b"));
  dir.Write("model-3.safetensors", Shard("b"));
  dir.Write("model.safetensors.index.json", index);
  auto file = OpenSafetensors(dir.path().string());
  if (!file.ok()) return file.status().message();
  return fmt::format("{} tensors in {} files", file->tensors.size(), file->files.size());
}

TEST(Safetensors, Shards) {
  EXPECT_EQ(OpenSharded(R"({"metadata":{"total_size":8},"weight_map":)"
                        R"({"a":"model-1.safetensors","b":"model-2.safetensors"}})"),
            "2 tensors in 2 files");
}

TEST(SafetensorsDamage, Shards) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"weight_map":{}})", "has no weight_map"},
      {R"({})", "has no weight_map"},
      {R"([])", "is not a JSON object"},
      {R"({"weight_map")", "not valid JSON"},
      {R"({"weight_map":{"a":1}})", "is not assigned"},
      {R"({"weight_map":{"a":"../model-1.safetensors"}})", "is not assigned"},
      {R"({"weight_map":{"a":"/etc/passwd"}})", "is not assigned"},
      {R"({"weight_map":{"a":"x\u0000.safetensors"}})", "is not assigned"},
      {R"({"weight_map":{"a":"model-4.safetensors"}})", "is missing"},
      {R"({"weight_map":{"a":"model-2.safetensors"}})", "of different models"},
      {R"({"weight_map":{"x":"model-1.safetensors"}})", "of different models"},
      {R"({"weight_map":{"b":"model-2.safetensors","c":"model-3.safetensors"}})", "is also in"},
  };
  for (const auto& [index, message] : cases) {
    const auto result = OpenSharded(index);
    EXPECT_NE(result.find(message), std::string::npos) << index << " gave " << result;
    EXPECT_NE(result.find("; "), std::string::npos) << result;
  }
}

TEST(Safetensors, DirectoriesWithoutWeights) {
  TempDir dir;
  EXPECT_EQ(OpenSafetensors(dir.path().string()).status().code(), Code::kNotFound);
  dir.Write("pytorch_model.bin", "x");
  EXPECT_EQ(OpenSafetensors(dir.path().string()).status().code(), Code::kUnsupported);
}

TEST(Safetensors, RealFiles) {
  const auto path = DataDir() / "models/refdec-29m";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  auto file = OpenSafetensors(path.string());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensors.size(), 65U);
  EXPECT_EQ(file->Find("model.embed_tokens.weight")->shape, (std::vector<uint64_t>{16384, 512}));
  uint64_t elements = 0;
  for (const auto& [name, tensor] : file->tensors) elements += tensor.elements();
  EXPECT_EQ(elements, 29498880U);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(DataDir() / "lora")) {
    if (entry.path().extension() != ".safetensors") continue;
    auto adapter = OpenSafetensors(entry.path().string());
    EXPECT_TRUE(adapter.ok()) << adapter.status().message();
  }
}

}  // namespace
}  // namespace wring::testing
