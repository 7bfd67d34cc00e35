#include "formats/describe.h"

#include <nlohmann/json.hpp>

#include "file_builder.h"
#include "formats/printable.h"
#include "support/test_data.h"

namespace wring::testing {
namespace {

TEST(Describe, Gguf) {
  TempDir dir;
  auto d = Describe(dir.Write("model", SmallGguf().Text("evil", "\x1b[31m\n").Build()));
  ASSERT_TRUE(d.ok()) << d.status().message();
  EXPECT_EQ(d->kind, "GGUF");
  EXPECT_EQ(d->version, "3");
  EXPECT_EQ(d->parameters, 64U + 3 + 24);
  EXPECT_EQ(d->tensor_bytes, 68U + 12 + 48);
  ASSERT_EQ(d->totals.size(), 3U);
  EXPECT_EQ(d->totals[0].dtype, DType::kQ8_0);
  EXPECT_EQ(d->tensors[2].name, "c.weight");
  const auto text = DescriptionText(*d);
  EXPECT_NE(text.find("4 x 3 x 2"), std::string::npos) << text;
  EXPECT_NE(text.find("\\x1b[31m\\n"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const auto json = nlohmann::json::parse(DescriptionJson(*d));
  EXPECT_EQ(json["metadata"]["u8"], 200);
  EXPECT_EQ(json["metadata"]["tokens"][0], "a");
  EXPECT_EQ(json["tensors"][0]["shape"], (std::vector<uint64_t>{2, 32}));
  EXPECT_EQ(json["parameters"], 91);
}

TEST(Describe, LongArraysAreSummarised) {
  TempDir dir;
  const auto path = dir.Write(
      "a.gguf", GgufBuilder().Array("ids", kGgufU8, 1000, std::string(1000, '\7')).Build());
  auto d = Describe(path);
  ASSERT_TRUE(d.ok()) << d.status().message();
  EXPECT_EQ(d->metadata[0].text, "[7, 7, 7, 7, ...]");
  EXPECT_EQ(d->metadata[0].type, "uint[1000]");
  EXPECT_EQ(d->metadata[0].json, R"({"count":1000,"first":[7,7,7,7]})");
}

TEST(Describe, BytesThatAreNotUtf8) {
  TempDir dir;
  auto d = Describe(dir.Write("a.gguf", GgufBuilder().Text("k\xff", "\xfe\xff").Build()));
  ASSERT_TRUE(d.ok());
  EXPECT_NE(DescriptionText(*d).find("\\xff"), std::string::npos);
  EXPECT_TRUE(nlohmann::json::accept(DescriptionJson(*d)));
}

TEST(Describe, TheContentDecides) {
  TempDir dir;
  EXPECT_EQ(Describe(dir.Write("a", SmallSafetensors()))->kind, "safetensors");
  EXPECT_EQ(Describe(dir.Write("b", Llama2c(8, 16, 2, 4, 2, 5, 3)))->kind, "llama2.c checkpoint");
  dir.Write("config.json", R"({"model_type":"llama"})");
  dir.Write("model.safetensors", SmallSafetensors());
  auto directory = Describe(dir.path().string());
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->kind, "Hugging Face directory");
  EXPECT_EQ(directory->metadata[0].key, "config.model_type");
  EXPECT_NE(DescriptionText(*directory).find("BF16"), std::string::npos);
  EXPECT_EQ(Describe(dir.Write("c", "plain text, long enough")).status().code(),
            Code::kUnsupported);
  EXPECT_EQ(Describe(dir.Write("d.gguf", "plain text")).status().code(), Code::kCorrupt);
  EXPECT_EQ(Describe((dir.path() / "absent").string()).status().code(), Code::kNotFound);
}

TEST(Describe, RealModels) {
  const auto path = DataDir() / "models/refdec-29m";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  auto d = Describe(path.string());
  ASSERT_TRUE(d.ok()) << d.status().message();
  EXPECT_EQ(d->parameters, 29498880U);
  EXPECT_EQ(d->tensors.front().name, "model.embed_tokens.weight");
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("a\x1b[0m\x7f\tb", 80), "a\\x1b[0m\\x7f\\tb");
  EXPECT_EQ(Printable("na\xc3\xafve", 80), "na\xc3\xafve");
  EXPECT_EQ(Printable("\xc2\x9b", 80), "\\xc2\\x9b");           // C1 control
  EXPECT_EQ(Printable("\xe2\x80\xae", 80), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(Printable("\xed\xa0\x80", 80), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(Printable("\xc0\xaf", 80), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(Printable(std::string(100, 'x'), 10), std::string(10, 'x') + "...");
  EXPECT_EQ(Quoted("a\xc3"), "'a\\xc3'");
}

}  // namespace
}  // namespace wring::testing
