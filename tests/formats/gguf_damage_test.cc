// Damaged GGUF files, each wrong in one way; the record of loader faults in the field is the
// source.
#include "damage.h"
#include "file_builder.h"
#include "formats/gguf.h"

namespace wring::testing {
namespace {

Status Parse(const std::string& bytes) { return ToStatus(ParseGguf(AsBytes(bytes), "file")); }

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr uint64_t kHalf = uint64_t{1} << 63;

GgufBuilder With(uint64_t tensors, uint64_t entries) {
  GgufBuilder b;
  b.tensor_count = tensors;
  b.entry_count = entries;
  return b;
}

// A file of one tensor `t`.
std::string OneTensor(const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset,
                      size_t data) {
  return GgufBuilder().Tensor("t", dims, type, offset).Data(data).Build();
}

std::string Magic(const std::string& magic) {
  auto b = SmallGguf();
  b.magic = magic;
  return b.Build();
}

std::string Version(uint32_t version) {
  auto b = SmallGguf();
  b.version = version;
  return b.Build();
}

std::string Alignment(uint32_t alignment) {
  return GgufBuilder()
      .Entry("general.alignment", kGgufU32, Le(alignment))
      .Tensor("t", {4}, 0, 0)
      .Data(16)
      .Build();
}

TEST(GgufDamage, Header) {
  RunDamage(
      {
          {"other magic", Magic("NOPE"), Code::kCorrupt, "is not a GGUF file"},
          {"control characters in the magic", Magic("\x1b[2J"), Code::kCorrupt, "\\x1b[2J"},
          {"one byte", "G", Code::kCorrupt, "is not a GGUF file"},
          {"magic alone", "GGUF", Code::kCorrupt, "too early"},
          {"older GGML", Magic("tjgg"), Code::kUnsupported, "older than GGUF"},
          {"Git LFS pointer", "version https://git-lfs.github.com/spec/v1\n", Code::kCorrupt,
           "git lfs pull"},
          {"web page", "<!DOCTYPE html><html></html>", Code::kCorrupt, "web page"},
          {"version 0", Version(0), Code::kUnsupported, "version 0"},
          {"version 1", Version(1), Code::kUnsupported, "version 1"},
          {"version 4", Version(4), Code::kUnsupported, "version 4"},
          {"big-endian version 3", Version(0x03000000), Code::kUnsupported, "big-endian"},
          {"2^64-1 entries", With(0, kHuge).Build(), Code::kCorrupt, "metadata entries"},
          {"2^63 entries", With(0, kHalf).Build(), Code::kCorrupt, "metadata entries"},
          {"one entry more than bytes", With(0, 1).Build(), Code::kCorrupt, "metadata entries"},
          {"2^64-1 tensors", With(kHuge, 0).Build(), Code::kCorrupt, "tensors in 0 bytes"},
          {"2^63 tensors", With(kHalf, 0).Build(), Code::kCorrupt, "tensors in 0 bytes"},
          {"counts of -1 and -1", With(kHuge, kHuge).Build(), Code::kCorrupt, "metadata entries"},
      },
      Parse);
}

TEST(GgufDamage, Metadata) {
  const auto entry = [](uint32_t type, const std::string& payload) {
    return GgufBuilder().Entry("k", type, payload).Text("pad", std::string(64, 'x')).Build();
  };
  const auto array = [](uint32_t type, uint64_t count, const std::string& payload) {
    return GgufBuilder().Array("k", type, count, payload).Text("p", std::string(64, 'x')).Build();
  };
  GgufBuilder key;
  key.entries.push_back(Le(kHuge) + "k" + Le<uint32_t>(kGgufU32) + Le<uint32_t>(1));
  GgufBuilder long_key;
  long_key.Entry(std::string(70000, 'k'), kGgufU8, "\1");
  RunDamage(
      {
          {"key of 2^64-1 bytes", key.Build(), Code::kCorrupt, "too early"},
          {"key of 70000 bytes", long_key.Build(), Code::kCorrupt, "longer than 65535"},
          {"empty key", GgufBuilder().Text("", "v").Build(), Code::kCorrupt, "is empty"},
          {"key twice", GgufBuilder().Text("k", "a").Text("k", "b").Build(), Code::kCorrupt,
           "'k' appears twice"},
          {"escape sequence in a key twice",
           GgufBuilder().Text("\x1b[31m", "a").Text("\x1b[31m", "b").Build(), Code::kCorrupt,
           "'\\x1b[31m'"},
          {"unknown type 13", entry(13, "\1"), Code::kCorrupt, "unknown type 13"},
          {"unknown type 2^32-1", entry(0xffffffff, "\1"), Code::kCorrupt, "unknown type"},
          {"boolean 2", entry(kGgufBool, "\2"), Code::kCorrupt, "boolean of value 2"},
          {"string of 2^64-1 bytes", entry(kGgufString, Le(kHuge)), Code::kCorrupt, "too early"},
          {"string of 2^63 bytes", entry(kGgufString, Le(kHalf)), Code::kCorrupt, "too early"},
          {"array of 2^61 u64", array(kGgufU64, kHuge / 8, ""), Code::kCorrupt, "elements"},
          {"array of 2^63 u8", array(kGgufU8, kHalf, ""), Code::kCorrupt, "elements"},
          {"array of 2^62 strings", array(kGgufString, kHalf / 2, ""), Code::kCorrupt, "elements"},
          {"array with a string of 2^63", array(kGgufString, 2, GgufText("a") + Le(kHalf)),
           Code::kCorrupt, "too early"},
          {"array of an unknown type", array(99, 1, "\1"), Code::kCorrupt, "unknown type 99"},
          {"array of arrays", array(kGgufArrayType, 1, Le<uint32_t>(4) + Le<uint64_t>(0)),
           Code::kUnsupported, "array of arrays"},
          {"array of 2^63 arrays", array(kGgufArrayType, kHalf, ""), Code::kUnsupported,
           "array of arrays"},
          {"array with boolean 255", array(kGgufBool, 1, "\xff"), Code::kCorrupt, "value 255"},
          {"part without a number",
           GgufBuilder().Entry("split.count", kGgufU16, Le<uint16_t>(3)).Build(), Code::kCorrupt,
           "split.no"},
          {"part beyond the last",
           GgufBuilder()
               .Entry("split.count", kGgufU16, Le<uint16_t>(3))
               .Entry("split.no", kGgufU16, Le<uint16_t>(3))
               .Build(),
           Code::kCorrupt, "split.no"},
          {"alignment 0", Alignment(0), Code::kCorrupt, "general.alignment is 0"},
          {"alignment 1", Alignment(1), Code::kCorrupt, "general.alignment is 1"},
          {"alignment 48", Alignment(48), Code::kCorrupt, "general.alignment is 48"},
          {"alignment 2^21", Alignment(1 << 21), Code::kCorrupt, "general.alignment"},
          {"alignment 2^31", Alignment(1U << 31), Code::kCorrupt, "general.alignment"},
          {"alignment as text", GgufBuilder().Text("general.alignment", "32").Build(),
           Code::kCorrupt, "not an integer"},
          {"negative alignment",
           GgufBuilder().Entry("general.alignment", kGgufI32, Le<int32_t>(-32)).Build(),
           Code::kCorrupt, "is -32"},
      },
      Parse);
}

TEST(GgufDamage, Tensors) {
  GgufBuilder long_name;
  long_name.Tensor("t", {4}, 0, 0);
  long_name.tensors[0].replace(0, 8, Le(kHuge));
  GgufBuilder twice;
  twice.Tensor("t", {4}, 0, 0).Tensor("t", {4}, 0, 32).Data(48);
  GgufBuilder overlap;
  overlap.Tensor("a", {16}, 0, 0).Tensor("b", {4}, 0, 32).Data(64);
  GgufBuilder same_place;
  same_place.Tensor("a", {4}, 0, 0).Tensor("b", {4}, 0, 0).Data(32);
  GgufBuilder unnamed;
  unnamed.Tensor("", {4}, 0, 0).Data(32);
  RunDamage(
      {
          {"name of 2^64-1 bytes", long_name.Build(), Code::kCorrupt, "too early"},
          {"empty name", unnamed.Build(), Code::kCorrupt, "tensor name"},
          {"tensor twice", twice.Build(), Code::kCorrupt, "'t' appears twice"},
          {"no dimension", OneTensor({}, 0, 0, 64), Code::kCorrupt, "0 dimensions"},
          {"5 dimensions", OneTensor({1, 1, 1, 1, 1}, 0, 0, 64), Code::kCorrupt, "5 dimensions"},
          {"dimension 0", OneTensor({4, 0}, 0, 0, 64), Code::kCorrupt, "dimension of 0"},
          {"dimension -1", OneTensor({kHuge}, 0, 0, 64), Code::kCorrupt, "more elements"},
          {"dimension 2^63", OneTensor({kHalf}, 0, 0, 64), Code::kCorrupt, "more elements"},
          {"product of 2^64", OneTensor({1ULL << 32, 1ULL << 32}, 0, 0, 64), Code::kCorrupt,
           "more elements"},
          {"product wraps to 4", OneTensor({(1ULL << 62) + 1, 4}, 0, 0, 64), Code::kCorrupt,
           "more elements"},
          {"bytes wrap", OneTensor({1ULL << 62}, 0, 0, 64), Code::kCorrupt, "more bytes"},
          {"bytes of F64 wrap to 0", OneTensor({1ULL << 61}, 28, 0, 64), Code::kCorrupt,
           "more bytes"},
          {"unknown type", OneTensor({32}, 41, 0, 64), Code::kCorrupt, "unknown type 41"},
          {"type 2^32-1", OneTensor({32}, 0xffffffff, 0, 64), Code::kCorrupt, "unknown type"},
          {"type IQ2_XS", OneTensor({256}, 17, 0, 512), Code::kUnsupported,
           "unsupported tensor type IQ2_XS"},
          {"type IQ2_XXS", OneTensor({256}, 16, 0, 512), Code::kUnsupported, "type IQ2_XXS"},
          {"removed type Q4_2", OneTensor({256}, 4, 0, 512), Code::kUnsupported, "type Q4_2"},
          {"row of half a block", OneTensor({16}, 8, 0, 64), Code::kCorrupt, "whole Q8_0 blocks"},
          {"rows of half a block, whole in all", OneTensor({128, 2}, 12, 0, 144), Code::kCorrupt,
           "whole Q4_K blocks"},
          {"odd offset", OneTensor({4}, 0, 7, 64), Code::kCorrupt, "multiple of 32"},
          {"offset beyond the end", OneTensor({4}, 0, 4096, 64), Code::kCorrupt, "ends at byte"},
          {"offset 2^64-32", OneTensor({4}, 0, kHuge - 31, 64), Code::kCorrupt, "beyond any file"},
          {"offset wraps with the size", OneTensor({1ULL << 40}, 0, kHuge - (1ULL << 41) + 1, 64),
           Code::kCorrupt, "beyond any file"},
          {"one byte short", OneTensor({4}, 0, 0, 15), Code::kCorrupt, "download was cut"},
          {"no data at all", OneTensor({4}, 0, 0, 0), Code::kCorrupt, "download was cut"},
          {"a terabyte in 100 bytes", OneTensor({1ULL << 38}, 0, 0, 16), Code::kCorrupt,
           "download was cut"},
          {"overlap", overlap.Build(), Code::kCorrupt, "'a' and 'b' overlap"},
          {"same place", same_place.Build(), Code::kCorrupt, "overlap"},
      },
      Parse);
}

TEST(GgufDamage, MoreMetadataThanAllowed) {
  GgufBuilder b;
  const std::string text(33 << 20, 'x');
  b.Text("a", text).Text("b", text).Entry("c", kGgufU8, "\1");
  const auto status = Parse(b.Build());
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_NE(status.message().find("64 MiB of metadata"), std::string::npos) << status.message();

  GgufBuilder strings;
  strings.Array("a", kGgufString, 2, GgufText(text) + GgufText(text));
  EXPECT_EQ(Parse(strings.Build()).code(), Code::kUnsupported);

  GgufBuilder many;
  many.Array("a", kGgufU8, (1 << 22) + 1, std::string((1 << 22) + 1, 'x'));
  EXPECT_EQ(Parse(many.Build()).code(), Code::kUnsupported);
}

TEST(GgufDamage, EveryTruncation) { RunTruncation(SmallGguf().Build(), Parse); }

TEST(GgufDamage, RandomMutations) {
  RunMutations(SmallGguf().Build(), 20000, 1, Parse);
  RunMutations(SmallGguf().Build(), 20000, 2, Parse);
}

TEST(GgufDamage, Files) {
  TempDir dir;
  const auto message = [](const std::string& path) { return OpenGguf(path).status().message(); };
  EXPECT_EQ(OpenGguf("/no/such.gguf").status().code(), Code::kNotFound);
  EXPECT_EQ(message("/no/such.gguf"), "/no/such.gguf: there is no such file; check the path");
  EXPECT_NE(message(dir.Write("empty.gguf", "")).find("the file is empty"), std::string::npos);
  EXPECT_NE(message(dir.path().string()).find("is a directory"), std::string::npos);
  EXPECT_NE(message("/dev/null").find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace wring::testing
