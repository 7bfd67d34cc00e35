// The record of attacks on model loaders, a test a case: its public id, what went wrong there, and that here the same
// bytes give one sentence and no memory that they do not justify. tests/text and tests/engine hold the cases beyond
// the readers.
#include <chrono>

#include "damage.h"
#include "file_builder.h"
#include "formats/gguf.h"
#include "formats/llama2c.h"
#include "formats/safetensors.h"

namespace wring::testing {
namespace {

constexpr uint64_t kHuge = ~uint64_t{0};
constexpr uint64_t kHalf = uint64_t{1} << 63;

Status ParseG(const std::string& bytes) { return ToStatus(ParseGguf(AsBytes(bytes), "file")); }
Status ParseS(const std::string& bytes) {
  return ToStatus(ParseSafetensors(AsBytes(bytes), "file"));
}
Status ParseL(const std::string& bytes) { return ToStatus(ParseLlama2c(AsBytes(bytes), "file")); }

std::string Dims(uint32_t dims) {
  GgufBuilder b;
  b.Tensor("t", {4}, 0, 0).Data(64);
  b.tensors[0].replace(9, 4, Le(dims));
  return b.Build();
}

// ggml #709, CVE-2024-21802: counts, string lengths and n_dims were used unchecked, in products and as the size of
// fixed arrays (heap overflows). Check before multiplying, before allocating.
TEST(KnownAttacks, Cve2024_21802_LengthsAndDimensionsUsedUnchecked) {
  GgufBuilder entries;
  entries.entry_count = kHuge / 16 + 2;  // times the entry's size: 16 after the wrap
  GgufBuilder tensors;
  tensors.tensor_count = kHuge / 32 + 2;
  GgufBuilder key;
  key.entries.push_back(Le(kHuge) + "k" + Le<uint32_t>(kGgufU32) + Le<uint32_t>(1));
  GgufBuilder value;
  value.Entry("k", kGgufString, Le(kHuge - 1) + "text");  // length + 1 (a terminator) is 0
  RunDamage(
      {
          {"entries", entries.Build(), Code::kCorrupt, "metadata entries"},
          {"tensors", tensors.Build(), Code::kCorrupt, "tensors in"},
          {"key length", key.Build(), Code::kCorrupt, "too early"},
          {"value length", value.Build(), Code::kCorrupt, "too early"},
          {"5 dimensions", Dims(5), Code::kCorrupt, "5 dimensions"},
          {"2^31 dimensions", Dims(1U << 31), Code::kCorrupt, "dimensions"},
          {"2^32-1 dimensions", Dims(0xffffffff), Code::kCorrupt, "dimensions"},
          {"array length",
           GgufBuilder().Array("k", kGgufU64, (kHuge >> 3) + 2, std::string(16, 'x')).Build(),
           Code::kCorrupt, "elements"},
      },
      ParseG);
}

// GHSA-vgg9-87g3-85w8, CVE-2025-53630: the sum of all tensors' sizes overflowed to a small number, a buffer of that
// size was written past its end.
TEST(KnownAttacks, Cve2025_53630_SumOfSizesOverflows) {
  const std::vector<uint64_t> half = {uint64_t{1} << 61};  // F32: 2^63 bytes
  GgufBuilder two;
  two.Tensor("a", half, 0, 0).Tensor("b", half, 0, kHalf).Data(64);
  GgufBuilder three;
  three.Tensor("a", half, 0, 0).Tensor("b", half, 0, kHalf).Tensor("c", {8}, 0, 0).Data(64);
  RunDamage({{"twice 2^63", two.Build(), Code::kCorrupt, "t"},
             {"and 32 bytes more", three.Build(), Code::kCorrupt, "t"}},
            ParseG);
  RunDamage({{"safetensors",
              Safetensors(R"({"a":{"dtype":"U8","shape":[9223372036854775808],)"
                          R"("data_offsets":[0,9223372036854775808]},)"
                          R"("b":{"dtype":"U8","shape":[9223372036854775807],)"
                          R"("data_offsets":[9223372036854775808,18446744073709551615]}})",
                          64),
              Code::kCorrupt, "beyond"}},
            ParseS);
}

// CVE-2026-27940, GHSA-3p4r-fq3f-q74v: the first mend checked the sum, not the padding added to each size. One
// checked type instead of checks at points.
TEST(KnownAttacks, Cve2026_27940_SumOverflowsThroughItsPadding) {
  // 2^64 - 16 bytes, which padding to 32 makes 0.
  const std::vector<uint64_t> nearly = {(kHuge >> 2) - 3};
  GgufBuilder alone;
  alone.Tensor("a", nearly, 0, 0).Data(64);
  GgufBuilder after;
  after.Tensor("a", nearly, 0, 32).Tensor("b", {4}, 0, 0).Data(64);
  GgufBuilder last;
  last.Tensor("a", {4}, 0, kHuge - 31).Data(64);
  // A byte type reaches 2^63 - 1 in one dimension: with the padding 2^63.
  GgufBuilder bytes;
  bytes.Tensor("a", {kHalf - 1}, 24, 0).Tensor("b", {kHalf - 1}, 24, kHalf).Data(64);
  RunDamage({{"alone", alone.Build(), Code::kCorrupt, "tensor 'a'"},
             {"behind another", after.Build(), Code::kCorrupt, "tensor"},
             {"its place", last.Build(), Code::kCorrupt, "beyond any file"},
             {"two of 2^63 - 1 bytes", bytes.Build(), Code::kCorrupt, "tensor"}},
            ParseG);
}

// GHSA-96jg-mvhq-q7q7, ggml #1516, llama.cpp #26318: general.alignment was only checked for being a power of two; the
// padding macro wraps for large ones (and 0 passes the check). Every number of a header has bounds.
TEST(KnownAttacks, Ghsa96jg_AlignmentThatWraps) {
  std::vector<DamageCase> cases;
  const auto add = [&](const std::string& name, uint32_t type, const std::string& payload) {
    GgufBuilder b;
    b.Entry("general.alignment", type, payload).Tensor("t", {4}, 0, 0).Data(64);
    cases.push_back({name, b.Build(), Code::kCorrupt, "general.alignment"});
  };
  for (const uint32_t shift : {21U, 24U, 30U, 31U}) {
    add(fmt::format("2^{}", shift), kGgufU32, Le(uint32_t{1} << shift));
  }
  for (const uint32_t shift : {32U, 62U, 63U}) {
    add(fmt::format("64-bit 2^{}", shift), kGgufU64, Le(uint64_t{1} << shift));
  }
  add("0", kGgufU32, Le<uint32_t>(0));
  add("1", kGgufU8, "\1");
  add("3 * 2^4", kGgufU32, Le<uint32_t>(48));
  add("2^32 - 1", kGgufU32, Le<uint32_t>(0xffffffff));
  add("-2^31", kGgufI32, Le<int32_t>(INT32_MIN));
  add("-2^63", kGgufI64, Le<int64_t>(INT64_MIN));
  add("a float", kGgufF32, Le(32.0F));
  add("a boolean", kGgufBool, "\1");
  add("an array", kGgufArrayType, Le<uint32_t>(kGgufU32) + Le<uint64_t>(1) + Le<uint32_t>(32));
  RunDamage(cases, ParseG);
}

// ggml #1516, ollama #17042, gguf-py #27188: 43 to 160 bytes that ask for gigabytes, or for a loop of 2^63 turns. A
// length may never exceed the bytes that remain.
TEST(KnownAttacks, Ollama17042_SmallFileAsksForEverything) {
  std::vector<DamageCase> cases;
  for (uint32_t type = 0; type <= 13; ++type) {
    for (const uint64_t count :
         {kHalf, kHuge, kHalf - 1, uint64_t{1} << 61, uint64_t{1} << 60, uint64_t{1} << 32}) {
      for (const size_t tail : {0U, 8U, 100U}) {
        GgufBuilder b;
        b.Array("k", type, count, std::string(tail, '\0'));
        const auto bytes = b.Build();
        EXPECT_GE(bytes.size(), 43U);
        EXPECT_LE(bytes.size(), 160U);
        cases.push_back({fmt::format("type {}, {} elements, {} bytes behind", type, count, tail),
                         bytes, type == 9 ? Code::kUnsupported : Code::kCorrupt, "metadata 'k'"});
      }
    }
  }
  const auto start = std::chrono::steady_clock::now();
  RunDamage(cases, ParseG);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

// gguf-tools #25: `assert` as the only check, gone in a release build. The same inputs must be refused where NDEBUG is
// defined; this test runs in every build, the release one too.
TEST(KnownAttacks, GgufTools25_AssertIsNoValidation) {
  RunDamage(
      {
          {"type of a value", GgufBuilder().Entry("k", 255, "xxxx").Build(), Code::kCorrupt,
           "type"},
          {"type of a tensor", GgufBuilder().Tensor("t", {4}, 255, 0).Data(64).Build(),
           Code::kCorrupt, "unknown type 255"},
          {"no dimension", Dims(0), Code::kCorrupt, "0 dimensions"},
          {"size of a dimension", GgufBuilder().Tensor("t", {0}, 0, 0).Data(64).Build(),
           Code::kCorrupt, "dimension of 0"},
          {"half a block", GgufBuilder().Tensor("t", {33}, 8, 0).Data(64).Build(), Code::kCorrupt,
           "whole Q8_0 blocks"},
      },
      ParseG);
  RunDamage({{"llama2.c: heads do not divide",
              Le(8) + Le(16) + Le(2) + Le(3) + Le(2) + Le(5) + Le(3) + std::string(64, '\0'),
              Code::kCorrupt, "header"}},
            ParseL);
}

// CTranslate2 #2068: the payload of a variable was not compared with its shape, and a string was read without its
// length. Shape times item size is the byte count, always.
TEST(KnownAttacks, CTranslate2_2068_ShapeAndPayloadDiffer) {
  const auto tensor = [](const std::string& shape, const std::string& offsets, size_t bytes) {
    return Safetensors(
        R"({"t":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", bytes);
  };
  RunDamage({{"less", tensor("[4]", "[0,12]", 12), Code::kCorrupt, "does not fill"},
             {"more", tensor("[4]", "[0,20]", 20), Code::kCorrupt, "does not fill"},
             {"nothing", tensor("[4]", "[0,0]", 0), Code::kCorrupt, "does not fill"},
             {"empty shape, 2^32 bytes", tensor("[0]", "[0,4294967296]", 64), Code::kCorrupt,
              "does not fill"},
             {"payload cut", tensor("[4]", "[0,16]", 15), Code::kCorrupt, "download was cut"},
             {"payload too long", tensor("[4]", "[0,16]", 17), Code::kCorrupt, "tensors end"}},
            ParseS);
  auto short_of_one = Llama2c(8, 16, 2, 4, 2, 5, 3);
  short_of_one.pop_back();
  RunDamage({{"llama2.c", short_of_one, Code::kCorrupt, "the file has"}}, ParseL);
  GgufBuilder no_length;
  no_length.Entry("k", kGgufString, "");
  GgufBuilder half_a_length;
  half_a_length.Entry("k", kGgufString, "\4\0\0");
  GgufBuilder no_text;
  no_text.Array("k", kGgufString, 1, Le<uint64_t>(4));
  RunDamage({{"string without its length", no_length.Build(), Code::kCorrupt, "metadata entries"},
             {"half a length", half_a_length.Build(), Code::kCorrupt, "too early"},
             {"length without its string", no_text.Build(), Code::kCorrupt, "too early"},
             {"GGUF payload cut", GgufBuilder().Tensor("t", {4}, 0, 0).Data(15).Build(),
              Code::kCorrupt, "download was cut"}},
            ParseG);
}

}  // namespace
}  // namespace wring::testing
