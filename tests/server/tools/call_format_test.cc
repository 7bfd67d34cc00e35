#include "server/tools/call_format.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/test_data.h"

namespace wring {
namespace {

TEST(CallFormatTest, TemplatesTellTheirFormat) {
  const auto folder = testing::DataDir() / "chat_templates";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to the folder that holds chat_templates");
  const std::pair<const char*, const char*> kExpected[] = {
      {"CohereForAI-c4ai-command-r-plus-tool_use", "none"},
      {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "none"},
      {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes"},
      {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"},
      {"Qwen-Qwen2.5-7B-Instruct", "hermes"},
      {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "none"},
      {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "none"},
      {"fireworks-ai-llama-3-firefunction-v2", "none"},
      {"google-gemma-2-2b-it", "gemma"},
      {"llama-cpp-deepseek-r1", "none"},
      {"meetkai-functionary-medium-v3.1", "none"},
      {"meetkai-functionary-medium-v3.2", "none"},
      {"meta-llama-Llama-3.1-8B-Instruct", "llama3"},
      {"meta-llama-Llama-3.2-3B-Instruct", "llama3"},
      {"meta-llama-Llama-3.3-70B-Instruct", "llama3"},
      {"microsoft-Phi-3.5-mini-instruct", "none"},
      {"mistralai-Mistral-Nemo-Instruct-2407", "mistral"},
  };
  for (const auto& [name, format] : kExpected) {
    std::stringstream source;
    source << std::ifstream(folder / (std::string(name) + ".jinja")).rdbuf();
    ASSERT_FALSE(source.str().empty()) << name;
    EXPECT_EQ(CallFormatName(DetectCallFormat(source.str())), format) << name;
  }
}

TEST(CallFormatTest, OthersByWhatMarksThem) {
  EXPECT_EQ(DetectCallFormat("'<|tool|>' + t + '<|/tool|>' ... <|tool_call|>"), CallFormat::kPhi);
  EXPECT_EQ(DetectCallFormat("<tool_call>\\n<function=example>"), CallFormat::kNone);
  EXPECT_EQ(DetectCallFormat(""), CallFormat::kNone);
}

TEST(CallFormatTest, NamesAreTakenAndOthersListed) {
  for (const CallFormat format : {CallFormat::kNone, CallFormat::kHermes, CallFormat::kLlama3,
                                  CallFormat::kMistral, CallFormat::kGemma, CallFormat::kPhi}) {
    const auto parsed = ParseCallFormat(CallFormatName(format), "<tool_call>");
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, format);
  }
  EXPECT_EQ(*ParseCallFormat("auto", "<tool_call>"), CallFormat::kHermes);
  const auto wrong = ParseCallFormat("openai", "");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.status().message(),
            "there is no tool-call format 'openai': use one of auto, none, mistral, phi, hermes, "
            "llama3, gemma");
}

}  // namespace
}  // namespace wring
