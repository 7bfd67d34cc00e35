#include "formats/hf_config.h"

#include "damage.h"
#include "file_builder.h"
#include "support/test_data.h"

namespace wring::testing {
namespace {

constexpr const char* kConfig = R"({"model_type":"llama","hidden_size":64,"rms_norm_eps":1e-5,
  "rope_theta":10000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"inner":{"n":3}},
  "eos_token_id":[1,2],"tie_word_embeddings":true,"head_dim":null,"big":18446744073709551615,
  "with.dot":7,"names":["a","b"],"mixed":[1,"a"],"fractions":[0.5,1]})";

Status Parse(const std::string& bytes) { return ToStatus(HfConfig::Parse(bytes, "file")); }

TEST(HfConfig, TypedAccess) {
  auto config = HfConfig::Parse(kConfig, "file");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(*config->String("model_type"), "llama");
  EXPECT_EQ(config->Int("hidden_size"), 64);
  EXPECT_EQ(config->Number("hidden_size"), 64.0);
  EXPECT_EQ(config->Number("rope_theta"), 10000.0);
  EXPECT_EQ(config->Bool("tie_word_embeddings"), true);
  EXPECT_EQ(config->Ints("eos_token_id"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(config->Numbers("fractions"), (std::vector<double>{0.5, 1}));
  EXPECT_EQ(config->Strings("names"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->Number("rope_scaling.factor"), 8.0);
  EXPECT_EQ(config->Int("rope_scaling.inner.n"), 3);
  EXPECT_EQ(*config->Object("rope_scaling").String("rope_type"), "llama3");
  EXPECT_EQ(config->Int("with.dot"), 7);
  EXPECT_EQ(config->Dump("eos_token_id"), "[1,2]");
}

TEST(HfConfig, AWrongTypeAndNullAreAbsent) {
  auto config = HfConfig::Parse(kConfig, "file");
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->Has("head_dim"));
  EXPECT_FALSE(config->Int("head_dim"));
  EXPECT_FALSE(config->Int("rope_theta"));
  EXPECT_FALSE(config->Int("big"));
  EXPECT_FALSE(config->Int("model_type"));
  EXPECT_FALSE(config->Int("model_type.inner"));
  EXPECT_FALSE(config->Bool("hidden_size"));
  EXPECT_EQ(config->String("hidden_size"), nullptr);
  EXPECT_FALSE(config->Ints("mixed"));
  EXPECT_FALSE(config->Strings("mixed"));
  EXPECT_FALSE(config->Ints("fractions"));
  EXPECT_TRUE(config->Object("hidden_size").empty());
  EXPECT_EQ(config->Dump("absent"), "null");
  EXPECT_TRUE(HfConfig().empty());
  EXPECT_FALSE(HfConfig().Int("hidden_size"));
}

TEST(HfConfig, Damage) {
  RunDamage(
      {
          {"nothing", "", Code::kCorrupt, "not valid JSON"},
          {"half an object", R"({"a":)", Code::kCorrupt, "not valid JSON at byte"},
          {"a list", "[1]", Code::kCorrupt, "not a JSON object"},
          {"not UTF-8", "{\"a\":\"\xff\"}", Code::kCorrupt, "not valid JSON"},
          {"100000 levels", std::string(100000, '['), Code::kCorrupt, "nests deeper"},
          {"65 levels", "{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}",
           Code::kCorrupt, "nests deeper"},
          {"number beyond double", R"({"a":1e999})", Code::kCorrupt, "cannot be represented"},
          {"Infinity", R"({"a":Infinity})", Code::kCorrupt, "not valid JSON at byte"},
      },
      Parse);
  RunTruncation(kConfig, Parse);
  RunMutations(kConfig, 10000, 4, Parse);
}

TEST(HfDirectory, EverythingOptionalButConfigAndWeights) {
  TempDir dir;
  const auto path = dir.path().string();
  EXPECT_EQ(OpenHfDirectory(path + "/absent").status().code(), Code::kNotFound);
  EXPECT_NE(OpenHfDirectory(path).status().message().find("has no config.json"), std::string::npos);
  dir.Write("config.json", kConfig);
  EXPECT_NE(OpenHfDirectory(path).status().message().find("holds neither"), std::string::npos);
  EXPECT_TRUE(OpenHfFiles(path).ok());
  dir.Write("model.safetensors", SmallSafetensors());
  auto directory = OpenHfDirectory(path);
  ASSERT_TRUE(directory.ok()) << directory.status().message();
  EXPECT_TRUE(directory->generation_config.empty());
  EXPECT_TRUE(directory->tokenizer_json.empty());
  EXPECT_EQ(directory->ChatTemplate(), nullptr);
  EXPECT_EQ(directory->tensors.tensors.size(), 2U);
}

TEST(HfDirectory, DamagedParts) {
  TempDir dir;
  dir.Write("config.json", kConfig);
  dir.Write("model.safetensors", SmallSafetensors());
  for (const char* name : {"generation_config.json", "tokenizer_config.json"}) {
    const auto path = dir.Write(name, "{");
    ExpectOneSentence(OpenHfDirectory(dir.path().string()).status(), path);
    dir.Write(name, "{}");
  }
  for (const char* text : {R"({"chat_template":1})", R"({"chat_template":["x"]})",
                           R"({"chat_template":[{"name":"default"}]})",
                           R"({"chat_template":[{"name":1,"template":"x"}]})"}) {
    const auto path = dir.Write("tokenizer_config.json", text);
    ExpectOneSentence(OpenHfDirectory(dir.path().string()).status(), path);
  }
}

TEST(HfDirectory, ChatTemplates) {
  TempDir dir;
  dir.Write("config.json", "{}");
  const auto path = dir.path().string();
  dir.Write("tokenizer_config.json", R"({"chat_template":"plain"})");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate(), "plain");
  dir.Write(
      "tokenizer_config.json",
      R"({"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]})");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate(), "d");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate("tool_use"), "t");
  dir.Write("chat_template.jinja", "file");
  dir.Write("additional_chat_templates/rag.jinja", "r");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate(), "file");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate("tool_use"), "t");
  EXPECT_EQ(*OpenHfFiles(path)->ChatTemplate("rag"), "r");
}

TEST(HfDirectory, ReferenceDecoder) {
  const auto path = DataDir() / "models/refdec-29m";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA");
  auto directory = OpenHfDirectory(path.string());
  ASSERT_TRUE(directory.ok()) << directory.status().message();
  EXPECT_EQ(directory->config.Strings("architectures"),
            std::vector<std::string>{"LlamaForCausalLM"});
  EXPECT_EQ(directory->config.Number("rms_norm_eps"), 1e-5);
  EXPECT_EQ(directory->tokenizer_config.Bool("add_bos_token"), false);
  EXPECT_EQ(directory->tokenizer_json.size(), 1102185U);
}

}  // namespace
}  // namespace wring::testing
