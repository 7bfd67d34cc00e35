#include "formats/llama2c.h"

#include "damage.h"
#include "file_builder.h"
#include "support/test_data.h"

namespace wring::testing {
namespace {

Status Parse(const std::string& bytes) { return ToStatus(ParseLlama2c(AsBytes(bytes), "file")); }

std::string Header(const std::vector<int32_t>& numbers) {
  std::string out;
  for (int32_t n : numbers) out += Le(n);
  return out + std::string(64, '\0');
}

TEST(Llama2c, TensorsInTheFilesOrder) {
  const auto bytes = Llama2c(8, 16, 2, 4, 2, -5, 3);
  auto file = ParseLlama2c(AsBytes(bytes), "file");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_FALSE(file->config.tied);
  EXPECT_EQ(file->config.vocab_size, 5U);
  EXPECT_EQ(file->config.head_dim(), 2U);
  EXPECT_EQ(file->tensors.tensors.size(), 3U + 2 * 9);
  const auto& t = file->tensors;
  EXPECT_EQ(t.Find("model.embed_tokens.weight")->offset, 28U);
  EXPECT_EQ(t.Find("model.layers.0.input_layernorm.weight")->offset, 28U + 5 * 8 * 4);
  EXPECT_EQ(t.Find("model.layers.1.self_attn.k_proj.weight")->shape, (std::vector<uint64_t>{4, 8}));
  EXPECT_EQ(t.Find("model.layers.1.mlp.down_proj.weight")->shape, (std::vector<uint64_t>{8, 16}));
  const auto* head = t.Find("lm_head.weight");
  EXPECT_EQ(head->offset + head->bytes, bytes.size());
}

TEST(Llama2c, Damage) {
  const std::string sane = "header is not that of a llama2.c checkpoint";
  RunDamage(
      {
          {"nothing", "", Code::kCorrupt, "too early"},
          {"version 1", Header({0x616b3432, 1, 0, 0, 0, 0, 0}), Code::kUnsupported, "version 1"},
          {"zeros", Header({0, 0, 0, 0, 0, 0, 0}), Code::kCorrupt, sane},
          {"negative width", Header({-8, 16, 2, 4, 2, 5, 3}), Code::kCorrupt, sane},
          {"INT_MIN tokens", Header({8, 16, 2, 4, 2, INT32_MIN, 3}), Code::kCorrupt, sane},
          {"heads do not divide", Header({8, 16, 2, 3, 3, 5, 3}), Code::kCorrupt, sane},
          {"more KV heads than heads", Header({8, 16, 2, 2, 4, 5, 3}), Code::kCorrupt, sane},
          {"odd head", Header({12, 16, 2, 4, 2, 5, 3}), Code::kCorrupt, sane},
          {"2^31-1 everywhere", Header(std::vector<int32_t>(7, INT32_MAX)), Code::kCorrupt, sane},
          {"a million layers", Header({8, 16, 1000000, 4, 2, 5, 3}), Code::kCorrupt, sane},
          {"the largest header in 92 bytes",
           Header({1 << 24, 1 << 24, 1024, 1 << 23, 1 << 23, 1 << 24, 1 << 24}), Code::kCorrupt,
           "the file has 92"},
          {"one float more", Llama2c(8, 16, 2, 4, 2, 5, 3) + Le(0.0F), Code::kCorrupt,
           "the file has"},
      },
      Parse);
  RunTruncation(Llama2c(4, 4, 1, 2, 1, 3, 2), Parse);
  RunMutations(Llama2c(4, 4, 1, 2, 1, 3, 2), 5000, 5, Parse);
}

TEST(Llama2c, RealCheckpoints) {
  const auto path = DataDir() / "models";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  auto stories = OpenLlama2c((path / "stories260K/stories260K.bin").string());
  ASSERT_TRUE(stories.ok()) << stories.status().message();
  EXPECT_EQ(stories->config.vocab_size, 512U);
  EXPECT_EQ(stories->config.kv_heads, 4U);
  EXPECT_TRUE(stories->config.tied);
  const auto* embedding = stories->tensors.Find("model.embed_tokens.weight");
  EXPECT_EQ(stories->tensors.Bytes(*embedding).size(), 512U * 64 * 4);
  EXPECT_TRUE(OpenLlama2c((path / "babyllama105/model.bin").string()).ok());
}

}  // namespace
}  // namespace wring::testing
