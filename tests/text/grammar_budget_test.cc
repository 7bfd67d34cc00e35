// What grammars of many requests may hold and lose together.
#include <gtest/gtest.h>

#include "formats/gguf.h"
#include "support/tiny_gguf.h"
#include "text/bridge.h"
#include "text/chat_template.h"
#include "text/grammar.h"

namespace wring::testing {
namespace {

class GrammarBudget : public ::testing::Test {
 protected:
  void SetUp() override {
    GgufBuilder b;
    TinyTokenizer(&b);
    const auto gguf = ParseGguf(AsBytes(b.Build()), "file");
    ASSERT_TRUE(gguf.ok());
    auto tokenizer = Tokenizer::FromGguf(gguf->metadata);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    tokenizer_ = *std::move(tokenizer);
  }
  void TearDown() override { wring_bridge_limit_memory(SIZE_MAX); }

  std::vector<uint32_t> MaskOf(Grammar& grammar) {
    std::vector<uint32_t> mask((tokenizer_->vocab_size() + 31) / 32);
    EXPECT_TRUE(grammar.Mask(mask).ok());
    return mask;
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(GrammarBudget, ACopyGoesItsOwnWay) {
  auto first = Grammar::Compile(*tokenizer_, GrammarKind::kRegex, "[a-z]{2}");
  ASSERT_TRUE(first.ok()) << first.status().message();
  auto second = (*first)->Copy();
  ASSERT_TRUE(second.ok()) << second.status().message();
  const auto before = MaskOf(**second);
  EXPECT_EQ(MaskOf(**first), before);
  int32_t id = 0;
  while ((before[static_cast<size_t>(id) / 32] >> (id % 32) & 1) == 0) ++id;
  ASSERT_TRUE((*first)->Commit(id).ok());
  EXPECT_EQ(MaskOf(**second), before);
}

// Clients send grammars: theirs must not cost the others the templates.
TEST_F(GrammarBudget, ExhaustedGrammarsAreRefusedAndTemplatesAreNot) {
  ASSERT_TRUE(
      Grammar::Compile(*tokenizer_, GrammarKind::kRegex, "a").ok());  // makes what all share
  auto chat = ChatTemplate::Compile("{{ messages[0].content }}");
  ASSERT_TRUE(chat.ok());
  // Other tests of this process may have lost something already.
  const LostMemory before = Grammar::Lost();
  wring_bridge_limit_memory(4 << 20);
  const auto bomb = [](int i) {
    std::string schema = fmt::format(R"({{"title":"{}","allOf":[)", i);
    for (char c = 'a'; c < 'u'; ++c) {
      schema += fmt::format(R"({}{{"type":"string","pattern":".*{}.*"}})", c == 'a' ? "" : ",", c);
    }
    return schema + "]}";
  };
  const auto compile = [&](const std::string& schema) {
    return Grammar::Compile(*tokenizer_, GrammarKind::kJsonSchema, schema).status();
  };
  for (int i = 0; i < 100; ++i) EXPECT_EQ(compile(bomb(0)).code(), Code::kInvalid);
  EXPECT_LT(Grammar::Lost().grammars, before.grammars + (8U << 20))
      << "the same source is not tried again";
  int i = 1;
  while (compile(bomb(i)).code() != Code::kLimit && i < 100) ++i;
  EXPECT_LT(i, 10);
  EXPECT_TRUE(Grammar::Lost().refuses());
  EXPECT_EQ(compile("{}").code(), Code::kLimit);
  EXPECT_EQ(Grammar::Lost().models, before.models);
  if (before.models == 0) {
    EXPECT_EQ(*(*chat)->Render(R"({"messages":[{"content":"hi"}]})"), "hi");
  }
}

// A conversation is a client's, and the template everybody's: however odd, it may not take the template's budget.
TEST_F(GrammarBudget, NoConversationEndsATemplate) {
  auto chat = ChatTemplate::Compile("{{ x|tojson }}{{ x|string }}{% for i in x %}{% endfor %}");
  ASSERT_TRUE(chat.ok());
  const auto list = [](std::string_view item, size_t count) {
    std::string all = R"({"x":[)";
    for (size_t i = 0; i < count; ++i) (all += i > 0 ? "," : "") += item;
    return all + "]}";
  };
  EXPECT_NE((*chat)->Render(list("0", 4'000'000)).status().message().find("shorten it"),
            std::string::npos);
  for (const auto& [item, count] :
       {std::pair{"0", 260'000}, {"[]", 130'000}, {R"({"a":0})", 130'000}}) {
    (void)(*chat)->Render(list(item, static_cast<size_t>(count)));
    EXPECT_TRUE((*chat)->Render(R"({"x":[1]})").ok()) << item;
  }
}

}  // namespace
}  // namespace wring::testing
