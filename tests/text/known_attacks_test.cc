// The part of the record of attacks (tests/formats/known_attacks_test.cc) that reaches the text layer: tokenizers out of
// hostile files, odd and huge prompts.
#include <gtest/gtest.h>

#include <chrono>

#include "formats/gguf.h"
#include "support/tiny_gguf.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace wring::testing {
namespace {

using Clock = std::chrono::steady_clock;

Result<std::unique_ptr<Tokenizer>> FromBytes(const GgufBuilder& b) {
  WRING_ASSIGN(const auto gguf, ParseGguf(AsBytes(b.Build()), "file"));
  return Tokenizer::FromGguf(gguf.metadata);
}

// The tiny vocabulary without `key`.
GgufBuilder Without(std::string_view key) {
  GgufBuilder b;
  TinyTokenizer(&b);
  std::erase_if(b.entries, [&](const std::string& e) { return e.starts_with(GgufText(key)); });
  return b;
}

std::string Model(const std::string& parts) {
  return R"({"version":"1.0","added_tokens":[],)" + parts +
         R"("model":{"type":"WordLevel","vocab":{"<unk>":0,"a":1},"unk_token":"<unk>"}})";
}

// llama.cpp #26690: tokenizer arrays were cast to float or int without a look at their element type, and read out of
// bounds. An array of another type is as good as none.
TEST(KnownAttacks, LlamaCpp26690_TokenizerArraysOfAnotherType) {
  struct Type {
    uint32_t type;
    std::string element;
  };
  const std::vector<Type> types = {{kGgufU8, "\2"},
                                   {kGgufI8, "\2"},
                                   {kGgufU16, Le<uint16_t>(2)},
                                   {kGgufI16, Le<int16_t>(2)},
                                   {kGgufU32, Le<uint32_t>(2)},
                                   {kGgufI32, Le<int32_t>(2)},
                                   {kGgufF32, Le(2.0F)},
                                   {kGgufBool, "\1"},
                                   {kGgufString, GgufText("2")},
                                   {kGgufU64, Le<uint64_t>(2)},
                                   {kGgufI64, Le<int64_t>(2)},
                                   {kGgufF64, Le(2.0)}};
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                          "tokenizer.ggml.token_type", "tokenizer.ggml.merges"}) {
    for (const auto& [type, element] : types) {
      for (const uint64_t count : {0U, 1U, kTinyVocab - 1, kTinyVocab, kTinyVocab + 1}) {
        SCOPED_TRACE(fmt::format("{} of {} elements of type {}", key, count, type));
        std::string payload;
        for (uint64_t i = 0; i < count; ++i) payload += element;
        auto tokenizer = FromBytes(Without(key).Array(key, type, count, payload));
        if (!tokenizer.ok()) {
          EXPECT_FALSE(tokenizer.status().message().empty());
          continue;
        }
        auto ids = (*tokenizer)->Encode("abc de", true, true);
        EXPECT_TRUE(!ids.ok() || (*tokenizer)->Decode(*ids, false).ok());
      }
      EXPECT_TRUE(FromBytes(Without(key).Entry(key, type, element)).ok() ==
                  (key != std::string_view("tokenizer.ggml.tokens") &&
                   key != std::string_view("tokenizer.ggml.scores")));
    }
  }
}

TEST(KnownAttacks, TokenIdsOfAFileOutsideItsVocabulary) {
  for (const uint64_t id : {uint64_t{kTinyVocab}, uint64_t{1} << 31, ~uint64_t{0}}) {
    auto b = Without("tokenizer.ggml.bos_token_id");
    b.Entry("tokenizer.ggml.bos_token_id", kGgufU64, Le(id));
    b.Entry("tokenizer.ggml.eot_token_id", kGgufU64, Le(id));
    auto tokenizer = FromBytes(b);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    EXPECT_EQ((*tokenizer)->bos().value_or(1), 1);
    EXPECT_EQ((*tokenizer)->stop_ids(), std::vector<int32_t>{2});
  }
}

// GHSA-7rxv-5jhh-j6xx: a heap overflow from prompt text. Odd and long texts give ids of the vocabulary, or a sentence.
TEST(KnownAttacks, Ghsa7rxv_PromptText) {
  GgufBuilder b;
  TinyTokenizer(&b);
  auto tokenizer = FromBytes(b);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::vector<std::string> texts = {
      "",          std::string(1, '\0'), "\xff",         "\xed\xa0\x80",
      "a\xcc\x81", "<s></s><unk>",       "\xef\xbb\xbf", "\xe2\x80\xae"};
  for (const std::string& unit :
       {std::string("a"), std::string(" "), std::string("\n"), std::string(1, '\0'),
        std::string("\xf0\x9f\x98\x80"), std::string("<s>"), std::string("\xcc\x81")}) {
    std::string text;
    while (text.size() < 1 << 19) text += unit;
    texts.push_back(text + "x");
  }
  for (const auto& text : texts) {
    const auto start = Clock::now();
    auto ids = (*tokenizer)->Encode(text, true, true);
    EXPECT_LT(Clock::now() - start, std::chrono::seconds(10)) << text.substr(0, 8);
    if (!ids.ok()) {
      EXPECT_NE(ids.status().message().find("UTF-8"), std::string::npos) << ids.status().message();
      continue;
    }
    EXPECT_LE(ids->size(), text.size() + 2);
    for (const int32_t id : *ids) ASSERT_TRUE(id >= 0 && id < static_cast<int32_t>(kTinyVocab));
  }
}

// Each step of a normalizer may replace a letter by 64: eight steps make 2^48 of one. Rust ends the process when memory
// does; the tokenizer has a budget instead, and is not used again once it went beyond it.
TEST(KnownAttacks, TokenizerWhoseReplacementsMultiply) {
  const std::string step =
      R"({"type":"Replace","pattern":{"String":"a"},"content":")" + std::string(64, 'a') + "\"}";
  std::string steps = step;
  for (int i = 0; i < 7; ++i) steps += "," + step;
  auto tokenizer = Tokenizer::FromJson(
      Model(R"("normalizer":{"type":"Sequence","normalizers":[)" + steps + "]},"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto start = Clock::now();
  const auto first = (*tokenizer)->Encode("a", false, false);
  ASSERT_FALSE(first.ok());
  EXPECT_NE(first.status().message().find("use another tokenizer"), std::string::npos)
      << first.status().message();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(12));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE((*tokenizer)->Encode("a", false, i % 2 == 0).ok());
    EXPECT_FALSE((*tokenizer)->Decode(std::vector<int32_t>{1}, false).ok());
    EXPECT_EQ((*tokenizer)->TokenBytes(1, false), "a");
  }
}

TEST(KnownAttacks, TokenizerWhoseExpressionBacktracks) {
  const std::string parts =
      R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated","invert":false},)";
  auto tokenizer = Tokenizer::FromJson(Model(parts));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto start = Clock::now();
  const auto ids = (*tokenizer)->Encode(std::string(3000, 'a') + "b", false, false);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(12));
  EXPECT_TRUE(ids.ok() || !ids.status().message().empty());
}

TEST(KnownAttacks, TokenizerThatIsNoneAtAll) {
  for (const std::string& json :
       {std::string(), std::string("{}"), std::string("null"), std::string(100000, '['),
        Model(R"("decoder":{"type":"Sequence","decoders":)" + std::string(5000, '[') + ","),
        std::string(R"({"version":"1.0","added_tokens":[],"model":{"type":"WordLevel",)"
                    R"("vocab":{"a":4294967295},"unk_token":"a"}})")}) {
    const auto tokenizer = Tokenizer::FromJson(json);
    EXPECT_EQ(tokenizer.status().code(), Code::kCorrupt);
    EXPECT_LT(tokenizer.status().message().size(), 900U);
  }
}

// Every cut of a piece was looked up, which is quadratic: one piece of a megabyte took hours.
TEST(KnownAttacks, VocabularyOfOneEndlessPiece) {
  GgufBuilder b;
  b.Text("tokenizer.ggml.model", "llama");
  b.Array("tokenizer.ggml.tokens", kGgufString, 2,
          GgufText("a") + GgufText(std::string(4 << 20, 'a')));
  b.Array("tokenizer.ggml.scores", kGgufF32, 2, Le(0.0F) + Le(0.0F));
  const auto start = Clock::now();
  const auto tokenizer = FromBytes(b);
  EXPECT_EQ(tokenizer.status().code(), Code::kCorrupt);
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(2));
}

TEST(KnownAttacks, Llama2cTokenizerOfLengthsThatLie) {
  const auto token = [](int32_t length, const std::string& text) {
    return Le(0.0F) + Le(length) + text;
  };
  const std::string good = Le<int32_t>(1) + token(1, "u") + token(1, "s") + token(1, "e");
  EXPECT_TRUE(Tokenizer::FromLlama2c(AsBytes(good), 3).ok());
  for (const int32_t length : {-1, INT32_MIN, 2, INT32_MAX}) {
    const std::string bad = Le<int32_t>(1) + token(1, "u") + token(1, "s") + token(length, "e");
    EXPECT_EQ(Tokenizer::FromLlama2c(AsBytes(bad), 3).status().code(), Code::kCorrupt);
  }
  for (const uint32_t vocab : {0U, 1U, 2U, 4U, 0xffffffffU}) {
    EXPECT_EQ(Tokenizer::FromLlama2c(AsBytes(good), vocab).status().code(), Code::kCorrupt);
  }
}

// What a stopped rendering held is lost; a template that could be tried again took the machine's memory a request at a
// time.
TEST(KnownAttacks, TemplateThatWasStoppedIsNotTriedAgain) {
  auto compiled = ChatTemplate::Compile(
      "{% set ns = namespace(s='0123456789abcdef') %}{% for i in range(60) %}{% set ns.s = ns.s ~ "
      "ns.s %}"
      "{% endfor %}");
  ASSERT_TRUE(compiled.ok()) << compiled.status().message();
  EXPECT_NE((*compiled)->Render("{}").status().message().find("256 MiB"), std::string::npos);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE((*compiled)->Render("{}").status().message().find("stopped before"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace wring::testing
