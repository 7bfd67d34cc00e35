#include "server/tools/output_parser.h"

#include <gtest/gtest.h>

#include <set>

#include "events.h"
#include "server/tools/reasoning.h"

namespace wring {
namespace {

using Kind = OutputEvent::Kind;

// The events of each push on its own, as lines.
class Stream {
 public:
  explicit Stream(CallFormat format, std::vector<std::string> tools = {}) {
    OutputParserOptions options;
    options.format = format;
    options.tools = std::move(tools);
    options.make_id = testing::CountingIds();
    parser_ = MakeOutputParser(std::move(options));
  }
  std::string Push(std::string_view text) {
    OutputEvents events;
    parser_->Push(text, events);
    return testing::Shown(events);
  }
  std::string Finish() {
    OutputEvents events;
    parser_->Finish(events);
    return testing::Shown(events);
  }

 private:
  std::unique_ptr<OutputParser> parser_;
};

TEST(OutputParserTest, ContentGoesOutAsSoonAsItIsSafe) {
  Stream stream(CallFormat::kHermes);
  EXPECT_EQ(stream.Push("Hello"), "content Hello\n");
  EXPECT_EQ(stream.Push(" you"), "content  you\n");
  EXPECT_EQ(stream.Push(" <too"), "");
  EXPECT_EQ(stream.Push("d> a <"), "content  <tood> a\n");
  EXPECT_EQ(stream.Finish(), "content  <\n");
}

TEST(OutputParserTest, ArgumentsGoOutAsTheyCome) {
  const std::pair<CallFormat, std::string> kBegin[] = {
      {CallFormat::kHermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": "},
      {CallFormat::kLlama3, "{\"name\": \"f\", \"parameters\": "},
      {CallFormat::kMistral, "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": "},
      {CallFormat::kMistral, "[TOOL_CALLS]f[ARGS]"},
      {CallFormat::kPhi, "<|tool_call|>[{\"name\": \"f\", \"arguments\": "},
      {CallFormat::kGemma, "```json\n{\"name\": \"f\", \"parameters\": "}};
  for (const auto& [format, begin] : kBegin) {
    SCOPED_TRACE(begin);
    Stream stream(format, {"f"});
    EXPECT_EQ(stream.Push(begin), "");
    EXPECT_EQ(stream.Push("{\""), "call f\nargs {\"\n");
    EXPECT_EQ(stream.Push("x\": [1"), "args x\": [1\n");
    EXPECT_EQ(stream.Push("]}"), "args ]}\nend\n");
    EXPECT_EQ(stream.Finish(), "");
  }
}

TEST(OutputParserTest, NestingIsBounded) {
  const std::string deep =
      "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": " + std::string(100'000, '[') +
      std::string(100'000, ']') + "}}</tool_call>";
  OutputParserOptions options;
  options.format = CallFormat::kHermes;
  const std::string shown = testing::ParsedText(options, std::vector<std::string>{deep});
  EXPECT_TRUE(shown.starts_with("call f\nargs {\"x\": [[[")) << shown.substr(0, 40);
  EXPECT_NE(shown.find("cut\ncontent ["), std::string::npos);
  // No byte is missing: 38 were syntax before the arguments.
  EXPECT_EQ(shown.size() - std::string("call f\nargs \ncut\ncontent \n").size(), deep.size() - 38);
}

TEST(OutputParserTest, LongTextsTakeLinearTime) {
  // Each repetition begins something that a parser could look at again and again.
  const std::pair<CallFormat, std::string> kTexts[] = {
      {CallFormat::kLlama3, "{\"name\": \"{"},
      {CallFormat::kLlama3, "{\"name\":{\"name\":"},
      {CallFormat::kLlama3, "{\"id\":{\"id\":"},
      {CallFormat::kHermes, "<tool_call>{\"a\":["},
      {CallFormat::kHermes, "   \n<tool_call>   "},
      {CallFormat::kMistral, "[TOOL_CALLS] [ "},
      {CallFormat::kMistral, "[TOOL_CALLS]a[ARGS]"},
      {CallFormat::kGemma, "```tool_code\n"},
      {CallFormat::kGemma, "```"},
      {CallFormat::kPhi, "<|tool_call|>[{\"name\":\""}};
  for (const auto& [format, part] : kTexts) {
    std::string text;
    while (text.size() < 2'000'000) text += part;
    OutputParserOptions options;
    options.format = format;
    EXPECT_EQ(testing::ParsedText(options, std::vector<std::string>{text}),
              "content " + text + "\n");
  }
}

TEST(OutputParserTest, PromptsThatEndInsideThinking) {
  EXPECT_TRUE(StartsThinking("<|Assistant|><think>\n"));
  EXPECT_TRUE(StartsThinking("<think>"));
  EXPECT_FALSE(StartsThinking("<|im_start|>assistant\n"));
  EXPECT_FALSE(StartsThinking("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
  EXPECT_FALSE(StartsThinking(""));
  EXPECT_TRUE(TemplateThinks("{{'<|Assistant|><think>\\n'}}"));
  EXPECT_FALSE(TemplateThinks("{{ message.content }}"));
}

TEST(OutputParserTest, IdsHaveTheShapeThatTemplatesWant) {
  std::set<std::string> ids;
  for (uint64_t n = 0; n < 1000; ++n) {
    const std::string id = MakeCallId(CallFormat::kHermes, n, n * 7);
    ASSERT_EQ(id.size(), 29U);
    ASSERT_TRUE(id.starts_with("call_"));
    ids.insert(id);
    const std::string mistral = MakeCallId(CallFormat::kMistral, n, 1);
    ASSERT_EQ(mistral.size(), 9U);
    for (const char c : mistral) ASSERT_TRUE(std::isalnum(static_cast<unsigned char>(c)));
    ids.insert(mistral);
  }
  EXPECT_EQ(ids.size(), 2000U);
}

}  // namespace
}  // namespace wring
