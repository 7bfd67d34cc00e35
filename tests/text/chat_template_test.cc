#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "support/test_data.h"
#include "text/grammar.h"

namespace wring {
namespace {

using Json = nlohmann::ordered_json;

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Empty when equal; else both texts from a little before the first difference.
std::string Difference(const std::string& got, const std::string& want) {
  if (got == want) return "";
  const size_t at = static_cast<size_t>(
      std::mismatch(got.begin(), got.begin() + std::min(got.size(), want.size()), want.begin())
          .first -
      got.begin());
  const size_t from = at > 40 ? at - 40 : 0;
  return Json(got.substr(from, 120)).dump(-1, ' ', true, Json::error_handler_t::replace) +
         " instead of " +
         Json(want.substr(from, 120)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

TEST(ChatTemplateTest, RendersAsJinja2) {
  const auto goldens =
      Json::parse(ReadText(testing::TreeDir() / "tests/goldens/chat_templates/goldens.json"));
  const auto folder = testing::DataDir() / "chat_templates";
  WRING_SKIP_WITHOUT(folder, "WRING_TEST_DATA");
  // Where minijinja differs: Python's Markup escapes what is added to a `|safe` string, and jinja2 refuses to
  // add a dict to a string where minijinja writes it.
  const std::set<std::string> known = {"meetkai-functionary-medium-v3.1.jinja tools",
                                       "llama-cpp-deepseek-r1.jinja tools",
                                       "llama-cpp-deepseek-r1.jinja tool_result"};
  std::set<std::string> different;
  for (const auto& [file, cases] : goldens["templates"].items()) {
    auto compiled = ChatTemplate::Compile(ReadText(folder / file));
    ASSERT_TRUE(compiled.ok()) << file << ": " << compiled.status().message();
    for (const auto& [name, expected] : cases.items()) {
      Json context = goldens["conversations"][name];
      context["add_generation_prompt"] = true;
      context["bos_token"] = "<s>";
      context["eos_token"] = "</s>";
      context["now"] = goldens["now"];
      auto text = (*compiled)->Render(context.dump());
      const std::string which = file + " " + name;
      const bool refused = expected.contains("error");
      const std::string difference =
          refused || !text.ok()
              ? (refused == !text.ok() ? "" : "refused by one only: " + text.status().message())
              : Difference(*text, expected["text"].get<std::string>());
      if (difference.empty()) continue;
      different.insert(which);
      EXPECT_TRUE(known.contains(which)) << which << ": " << difference;
    }
  }
  EXPECT_EQ(different, known);
}

TEST(ChatTemplateTest, HostileTemplatesEndQuickly) {
  const char* hostile[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% set ns = namespace(s='0123456789abcdef') %}{% for i in range(60) %}{% set ns.s = ns.s ~ "
      "ns.s %}{% endfor %}{{ ns.s }}",
      "{{ 'x' * 1000000000 }}",
  };
  for (const char* source : hostile) {
    const auto start = std::chrono::steady_clock::now();
    auto compiled = ChatTemplate::Compile(source);
    if (compiled.ok()) {
      const auto text = (*compiled)->Render("{}");
      EXPECT_FALSE(text.ok()) << source;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << source;
  }
}

TEST(ChatTemplateTest, BrokenTemplatesAndMessagesAreOneSentence) {
  EXPECT_FALSE(ChatTemplate::Compile("{% if %}").ok());
  auto compiled = ChatTemplate::Compile("{{ raise_exception('no system role here') }}");
  ASSERT_TRUE(compiled.ok());
  const auto refused = (*compiled)->Render("{}");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("no system role here"), std::string::npos);
  EXPECT_FALSE((*compiled)->Render("not json").ok());
}

TEST(GrammarTest, MasksAllowWhatTheGrammarAllows) {
  const auto path = testing::DataDir() / "tokenizers/smollm/tokenizer.json";
  WRING_SKIP_WITHOUT(path, "WRING_TEST_DATA");
  auto tokenizer = Tokenizer::FromJson(ReadText(path));
  ASSERT_TRUE(tokenizer.ok());
  const uint32_t vocab = (*tokenizer)->vocab_size();
  auto grammar = Grammar::Compile(**tokenizer, GrammarKind::kRegex, "yes|no");
  ASSERT_TRUE(grammar.ok()) << grammar.status().message();
  std::vector<uint32_t> mask((vocab + 31) / 32);
  ASSERT_TRUE((*grammar)->Mask(mask).ok());
  const auto allowed = [&](int32_t id) {
    return (mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1) != 0;
  };
  const auto yes = *(*tokenizer)->IdOf("yes");
  const auto no = *(*tokenizer)->IdOf("no");
  const auto hello = (*tokenizer)->Encode("hello", false, false)->front();
  EXPECT_TRUE(allowed(yes));
  EXPECT_TRUE(allowed(no));
  EXPECT_FALSE(allowed(hello));
  EXPECT_FALSE((*Grammar::Compile(**tokenizer, GrammarKind::kRegex, "yes|no"))->Commit(hello).ok());
  ASSERT_TRUE((*grammar)->Commit(yes).ok());
  ASSERT_TRUE((*grammar)->Mask(mask).ok());
  EXPECT_TRUE(allowed(0)) << "the end is allowed now";
  EXPECT_FALSE(allowed(no));
  EXPECT_FALSE(Grammar::Compile(**tokenizer, GrammarKind::kRegex, "(").ok());
  EXPECT_FALSE(
      Grammar::Compile(**tokenizer, GrammarKind::kJsonSchema, "{\"type\": \"nonsense\"}").ok());
}

}  // namespace
}  // namespace wring
