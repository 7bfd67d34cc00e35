// GBNF grammars and what they accept, from tests/text/gbnf. That the grammars of llama.cpp's own folder (arithmetic,
// c, chess, english, japanese, json, json_arr, list) convert and run was checked by hand; they are not copied here.
#include "text/gbnf.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "support/byte_tokenizer.h"
#include "support/test_data.h"
#include "text/grammar.h"

namespace wring {
namespace {

namespace fs = std::filesystem;

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

bool HasBit(const std::vector<uint32_t>& words, int32_t id) {
  return ((words[static_cast<size_t>(id) / 32] >> (id % 32)) & 1) != 0;
}

// Whether the grammar lets `ids` pass and end. Mask and Commit must agree.
bool Accepts(const Tokenizer& tokenizer, const std::string& source,
             const std::vector<int32_t>& ids) {
  auto grammar = Grammar::Compile(tokenizer, GrammarNotation(source), source);
  EXPECT_TRUE(grammar.ok()) << grammar.status().message();
  if (!grammar.ok()) return false;
  std::vector<uint32_t> words((tokenizer.vocab_size() + 31) / 32);
  for (const int32_t id : ids) {
    if ((*grammar)->finished()) return false;
    EXPECT_TRUE((*grammar)->Mask(words).ok());
    const bool allowed = HasBit(words, id);
    EXPECT_EQ((*grammar)->Commit(id).ok(), allowed) << id << ' ' << tokenizer.TokenBytes(id, true);
    if (!allowed) return false;
  }
  if ((*grammar)->finished()) return true;
  EXPECT_TRUE((*grammar)->Mask(words).ok());
  return HasBit(words, tokenizer.stop_ids().front());
}

struct Case {
  bool accept;
  std::string text;
};

std::vector<Case> ReadCases(const fs::path& path) {
  std::vector<Case> cases;
  std::istringstream lines(ReadText(path));
  for (std::string line; std::getline(lines, line);) {
    Case c = {line.starts_with("accept"), ""};
    for (size_t i = 7; i < line.size(); ++i) {
      if (line[i] != '\\') {
        c.text += line[i];
        continue;
      }
      ++i;
      c.text += line[i] == 'n' ? '\n' : line[i];
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

class GbnfTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const fs::path base = testing::TreeDir() / "tests/text/gbnf" / GetParam();
    source_ = ReadText(base.string() + ".gbnf");
    cases_ = ReadCases(base.string() + ".cases");
    ASSERT_EQ(GrammarNotation(source_), GrammarKind::kGbnf);
    ASSERT_GE(cases_.size(), 8U);
  }
  std::string source_;
  std::vector<Case> cases_;
};

TEST_P(GbnfTest, AcceptsAndRejectsByteByByte) {
  const auto tokenizer = testing::ByteTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  for (const auto& c : cases_) {
    std::vector<int32_t> ids;
    for (const char byte : c.text) ids.push_back(static_cast<unsigned char>(byte));
    EXPECT_EQ(Accepts(*tokenizer, source_, ids), c.accept) << '"' << c.text << '"';
  }
}

TEST_P(GbnfTest, AcceptsAndRejectsInARealModelsTokens) {
  const fs::path path = testing::DataDir() / "tokenizers/smollm/tokenizer.json";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  auto tokenizer = Tokenizer::FromJson(ReadText(path));
  ASSERT_TRUE(tokenizer.ok());
  for (const auto& c : cases_) {
    auto ids = (*tokenizer)->Encode(c.text, false, false);
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(Accepts(**tokenizer, source_, *ids), c.accept) << '"' << c.text << '"';
  }
}

INSTANTIATE_TEST_SUITE_P(All, GbnfTest,
                         ::testing::Values("arithmetic", "json", "list", "c_like", "chess",
                                           "japanese", "english", "edges"),
                         [](const auto& test) { return std::string(test.param); });

TEST(GrammarVocabularyTest, IdsBeyondTheTokenizersAreNeverAllowed) {
  const auto tokenizer = testing::ByteTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  auto grammar = Grammar::Compile(*tokenizer, GrammarKind::kRegex, "a*");
  ASSERT_TRUE(grammar.ok()) << grammar.status().message();
  std::vector<uint32_t> words(20, ~0U);  // a model of 640 ids
  ASSERT_TRUE((*grammar)->Mask(words).ok());
  for (int32_t id = 0; id < 640; ++id)
    EXPECT_EQ(HasBit(words, id), id == 'a' || id == testing::kByteEnd) << id;
  std::vector<uint32_t> fewer(4, 0);  // a model of fewer ids than the tokenizer
  ASSERT_TRUE((*grammar)->Mask(fewer).ok());
  EXPECT_TRUE(HasBit(fewer, 'a'));
  ASSERT_TRUE((*grammar)->Commit(testing::kByteEnd).ok());
  EXPECT_TRUE((*grammar)->finished());
}

TEST(GbnfErrorTest, NamesLineAndColumn) {
  const struct {
    const char* source;
    const char* want;
  } cases[] = {
      {"root ::= \"a", "line 1, column 10: this literal has no end"},
      {"root ::= \"a\"\nx = b", "line 2, column 3: \"::=\" is missing"},
      {"root ::= (\"a\" | b\n", "line 1, column 10: this group has no end"},
      {"# é\nroot ::= é", "line 2, column 10: this begins no literal"},
      {"root ::= \"é\" [z-a]", "line 1, column 16: this range ends before it begins"},
      {"root ::= [a", "line 1, column 10: this class has no end"},
      {"root ::= []", "line 1, column 10: no character is in this class"},
      {"root ::= \"\\q\"", "line 1, column 11: this escape is none of"},
      {"root ::= \"\\ud800\"", "line 1, column 11: this escape is none of"},
      {"root ::= \"a\"{3,2}", "line 1, column 13: this repetition is none of {m}"},
      {"root ::= \"a\"{5000}", "line 1, column 13: this repetition is none of {m}"},
      {"root ::= \"a\"**", "line 1, column 14: this repeats a repetition"},
      {"root ::= *", "line 1, column 10: there is nothing to repeat"},
      {"root ::= a b\na ::= \"x\"", "line 1, column 12: the rule \"b\" is used and not defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: the rule \"root\" is defined twice"},
      {"root ::= \"a\" )", "line 1, column 14: the rule goes on"},
      {"root ::= <[5]>", "line 1, column 10: tokens cannot be named here"},
      {"root ::= \"\xff\"", "line 1, column 11: this is not UTF-8"},
      {"a ::= \"x\"", "no rule \"root\""},
      {"", "no rule \"root\""},
  };
  for (const auto& c : cases) {
    const auto lark = LarkFromGbnf(c.source);
    ASSERT_FALSE(lark.ok()) << c.source;
    EXPECT_NE(lark.status().message().find(c.want), std::string::npos) << c.source << "\n"
                                                                       << lark.status().message();
    EXPECT_EQ(lark.status().message().find('\n'), std::string::npos);
  }
}

TEST(GbnfErrorTest, HostileSizesEndSoon) {
  std::string deep = "root ::= ";
  for (int i = 0; i < 100'000; ++i) deep += '(';
  EXPECT_FALSE(LarkFromGbnf(deep).ok());
  // Rules in a chain, each put into the one before it.
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 20'000; ++i) chain += fmt::format("r{} ::= \"a\" r{} \"b\"\n", i, i + 1);
  EXPECT_TRUE(LarkFromGbnf(chain + "r20000 ::= \"c\"\n").ok());
  std::string links = "root ::= r0\n";
  for (int i = 0; i < 15'000; ++i) links += fmt::format("r{} ::= r{}\n", i, i + 1);
  EXPECT_TRUE(LarkFromGbnf(links + "r15000 ::= \"c\"\n").ok());
  // Doubled thirty times.
  std::string doubled = "root ::= r0\n";
  for (int i = 0; i < 30; ++i) doubled += fmt::format("r{} ::= r{} r{}\n", i, i + 1, i + 1);
  EXPECT_TRUE(LarkFromGbnf(doubled + "r30 ::= \"c\"\n").ok());
  EXPECT_TRUE(LarkFromGbnf("root ::= ((\"a\"{2000}){2000}){2000} root?").ok());
}

TEST(GbnfLexemeTest, LargePartsBecomeLexemes) {
  // Without recursion: one expression.
  auto lark = LarkFromGbnf("root ::= a+ \"b\"\na ::= \"xy\" | [0-9]");
  ASSERT_TRUE(lark.ok());
  EXPECT_EQ(std::count(lark->begin(), lark->end(), '/'), 2);
  // A word may end where a word may go on: characters.
  lark = LarkFromGbnf("root ::= [a-z]+ \"x\" root | \".\"");
  ASSERT_TRUE(lark.ok());
  EXPECT_NE(lark->find("(/[\\x{61}-\\x{7A}]/){1,}"), std::string::npos) << *lark;
}

}  // namespace
}  // namespace wring
