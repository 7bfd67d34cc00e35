// Whatever tokens the grammar of a required call allows, the parser reads calls of the tools with valid arguments.
#include "server/tools/call_grammar.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "events.h"
#include "formats/gguf.h"
#include "support/grammar_walk.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::Json;
using Mode = ToolChoice::Mode;

constexpr CallFormat kFormats[] = {CallFormat::kHermes, CallFormat::kLlama3, CallFormat::kMistral,
                                   CallFormat::kGemma, CallFormat::kPhi};
constexpr uint64_t kWalks = 50;

std::filesystem::path TokenizerPath() {
  return testing::DataDir() / "tokenizers/smollm/tokenizer.json";
}

struct Added {
  std::string text;
  bool special;
};

// SmolLM's tokenizer with tokens of its own.
std::unique_ptr<Tokenizer> WithTokens(const std::vector<Added>& tokens) {
  std::ifstream file(TokenizerPath());
  Json json = Json::parse(file);
  uint32_t id = json["model"]["vocab"].size();
  for (const auto& token : tokens) {
    json["added_tokens"].push_back({{"id", id++},
                                    {"content", token.text},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", token.special}});
  }
  auto tokenizer = Tokenizer::FromJson(json.dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Two that are fixed, one of which takes nothing, one's name the beginning of the other's; and one at random.
std::vector<Tool> Tools(uint64_t seed) {
  std::vector<Tool> tools = {
      {"get", "", ""},
      {"get_weather", "The weather.",
       R"({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer",
           "minimum": 1, "maximum": 14}, "unit": {"enum": ["C", "F", "</tool_call>"]}, "at": {"type": "array",
           "items": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"],
           "additionalProperties": false}}}, "required": ["city", "at"]})"}};
  for (uint64_t n = seed * 1000;; ++n) {
    const Json schema = testing::SchemaMaker(n).Make();
    if (schema.value("type", Json()) != "object") continue;
    tools.push_back({"random-1", "", schema.dump()});
    return tools;
  }
}

class Walks {
 public:
  Walks(const Tokenizer& tokenizer, CallFormat format) : tokenizer_(&tokenizer), format_(format) {}

  // The number of calls of all walks.
  size_t Run(CallGrammarOptions options, const std::vector<Tool>& tools, uint64_t walks) {
    options.format = format_;
    const auto source = CallGrammar(options, tools, *tokenizer_);
    EXPECT_TRUE(source.ok() && source->has_value());
    if (!source.ok() || !*source) return 0;
    size_t calls = 0;
    testing::GrammarWalk walk(*tokenizer_);
    for (uint64_t n = 0; n < walks; ++n) {
      auto grammar = Grammar::Compile(*tokenizer_, GrammarKind::kLark, **source);
      EXPECT_TRUE(grammar.ok()) << grammar.status().message() << "\n" << **source;
      if (!grammar.ok()) return 0;
      testing::Random random(n * 31 + 5);
      const auto text = walk.Run(**grammar, random);
      EXPECT_TRUE(text.ok()) << text.status().message() << "\n" << **source;
      if (text.ok()) calls += Check(options, tools, *text);
    }
    return calls;
  }

 private:
  size_t Check(const CallGrammarOptions& options, const std::vector<Tool>& tools,
               const std::string& text) {
    OutputParserOptions parser;
    parser.format = format_;
    for (const auto& tool : tools) parser.tools.push_back(tool.name);
    parser.reasoning = options.reasoning;
    parser.starts_thinking = options.starts_thinking;
    const auto events = testing::Parse(parser, std::vector<std::string>{text});
    size_t calls = 0;
    std::string name;
    std::string arguments;
    for (const auto& e : events) {
      if (e.kind == OutputEvent::Kind::kContent) ADD_FAILURE() << "content in " << text;
      if (e.kind == OutputEvent::Kind::kCallBegin) name = e.name;
      if (e.kind == OutputEvent::Kind::kCallArguments) arguments = e.text;
      if (e.kind != OutputEvent::Kind::kCallEnd) continue;
      ++calls;
      EXPECT_TRUE(e.complete) << text;
      CheckCall(options, tools, name, arguments);
    }
    EXPECT_GE(calls, 1U) << text;
    EXPECT_TRUE(options.choice.parallel || calls == 1) << text;
    return calls;
  }

  static void CheckCall(const CallGrammarOptions& options, const std::vector<Tool>& tools,
                        const std::string& name, const std::string& arguments) {
    const auto tool =
        std::find_if(tools.begin(), tools.end(), [&](const Tool& one) { return one.name == name; });
    ASSERT_NE(tool, tools.end()) << name;
    EXPECT_TRUE(options.choice.mode != Mode::kNamed || name == options.choice.name) << name;
    const Json value = Json::parse(testing::TamedExponents(arguments), nullptr, false);
    ASSERT_TRUE(value.is_object()) << arguments;
    const Json schema = Json::parse(tool->parameters.empty() ? R"({"additionalProperties": false})"
                                                             : tool->parameters);
    EXPECT_EQ(testing::SchemaValidator(schema).Check(value), "") << arguments;
  }

  const Tokenizer* tokenizer_;
  CallFormat format_;
};

const std::vector<std::vector<Added>> kTokenSets = {
    {},
    {{"<tool_call>", false}, {"</tool_call>", false}, {"<think>", false}, {"</think>", false}},
    {{"<tool_call>", true},
     {"</tool_call>", true},
     {"[TOOL_CALLS]", true},
     {"<|tool_call|>", true},
     {"<|/tool_call|>", true},
     {"<|python_tag|>", true},
     {"<think>", true},
     {"</think>", true}},
    {{"[TOOL_CALLS]", true}, {"[ARGS]", true}, {"[CALL_ID]", true}}};

TEST(CallGrammarTest, EveryWalkGivesValidCalls) {
  WRING_SKIP_WITHOUT(TokenizerPath(), "set WRING_TEST_DATA to the folder that holds tokenizers");
  for (size_t set = 0; set < kTokenSets.size(); ++set) {
    const auto tokenizer = WithTokens(kTokenSets[set]);
    ASSERT_NE(tokenizer, nullptr);
    for (const CallFormat format : kFormats) {
      SCOPED_TRACE(fmt::format("{}, tokens {}", CallFormatName(format), set));
      Walks walks(*tokenizer, format);
      CallGrammarOptions options;
      options.choice.mode = Mode::kRequired;
      const size_t calls = walks.Run(options, Tools(set), kWalks);
      EXPECT_GE(calls, kWalks);
      options.choice.parallel = false;
      EXPECT_EQ(walks.Run(options, Tools(set + 10), kWalks), kWalks);
      options.choice = {Mode::kNamed, "get_weather", false};
      EXPECT_EQ(walks.Run(options, Tools(set + 20), 10), 10U);
    }
  }
}

TEST(CallGrammarTest, SeveralCallsAreReached) {
  WRING_SKIP_WITHOUT(TokenizerPath(), "set WRING_TEST_DATA to the folder that holds tokenizers");
  const auto tokenizer = WithTokens(kTokenSets[2]);
  const std::vector<Tool> tools = {{"f", "", ""}};
  for (const CallFormat format : kFormats) {
    CallGrammarOptions options;
    options.choice.mode = Mode::kRequired;
    EXPECT_GT(Walks(*tokenizer, format).Run(options, tools, kWalks), kWalks)
        << CallFormatName(format);
  }
}

TEST(CallGrammarTest, ThoughtsMayComeFirst) {
  WRING_SKIP_WITHOUT(TokenizerPath(), "set WRING_TEST_DATA to the folder that holds tokenizers");
  for (size_t set = 0; set < 3; ++set) {
    const auto tokenizer = WithTokens(kTokenSets[set]);
    for (const bool inside : {false, true}) {
      SCOPED_TRACE(fmt::format("tokens {}, inside {}", set, inside));
      CallGrammarOptions options;
      options.choice.mode = Mode::kRequired;
      options.format = CallFormat::kHermes;
      options.reasoning = true;
      options.starts_thinking = inside;
      const auto source = CallGrammar(options, Tools(3), *tokenizer);
      auto grammar = Grammar::Compile(*tokenizer, GrammarKind::kLark, **source);
      ASSERT_TRUE(grammar.ok()) << grammar.status().message() << "\n" << **source;
      const std::string text =
          std::string(inside ? "" : "<think>\n") +
          "I should <look> up \"get\".\n</think>\n\n<tool_call>\n{\"name\": \"get\", "
          "\"arguments\": {}}\n</tool_call>";
      const auto ids = tokenizer->Encode(text, false, true);
      ASSERT_TRUE(ids.ok());
      for (size_t i = 0; i < ids->size(); ++i) {
        const auto taken = (*grammar)->Commit((*ids)[i]);
        ASSERT_TRUE(taken.ok()) << i << ": " << tokenizer->TokenBytes((*ids)[i], true) << ": "
                                << taken.message() << "\n"
                                << **source;
      }
    }
  }
}

TEST(CallGrammarTest, WorksOverAVocabularyFromGguf) {
  const auto path = testing::DataDir() / "tokenizers/vocab-gguf/ggml-vocab-llama-spm.gguf";
  WRING_SKIP_WITHOUT(path, "set WRING_TEST_DATA to the folder that holds tokenizers");
  const auto file = OpenGguf(path.string());
  ASSERT_TRUE(file.ok());
  const auto tokenizer = Tokenizer::FromGguf(file->metadata);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  CallGrammarOptions options;
  options.choice.mode = Mode::kRequired;
  for (const CallFormat format : kFormats)
    EXPECT_GE(Walks(**tokenizer, format).Run(options, Tools(5), 10), 10U);
}

TEST(CallGrammarTest, ModelsOwnTextIsAllowed) {
  WRING_SKIP_WITHOUT(TokenizerPath(), "set WRING_TEST_DATA to the folder that holds tokenizers");
  const std::pair<CallFormat, const char*> kTexts[] = {
      {CallFormat::kHermes,
       "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\", \"days\": 3, "
       "\"at\": "
       "[]}}\n</tool_call>\n<tool_call>\n{\"name\": \"get\", \"arguments\": {}}\n</tool_call>"},
      {CallFormat::kLlama3,
       "{\"name\": \"get_weather\", \"parameters\": {\"city\":\"Zürich\",\"at\":[{\"lat\":1.5}]}}; "
       "{\"name\": \"get\", \"parameters\": {}}"},
      {CallFormat::kMistral,
       "[TOOL_CALLS][{\"name\": \"get\", \"arguments\": {}}, {\"name\": \"get\", \"arguments\": "
       "{}}]"},
      {CallFormat::kPhi, "<|tool_call|>[{\"name\": \"get\", \"arguments\": {}}]<|/tool_call|>"},
      {CallFormat::kGemma, "{\"name\": \"get\", \"parameters\": {}}"}};
  for (size_t set = 0; set < 3; ++set) {
    const auto tokenizer = WithTokens(kTokenSets[set]);
    for (const auto& [format, text] : kTexts) {
      SCOPED_TRACE(fmt::format("{}, tokens {}", CallFormatName(format), set));
      CallGrammarOptions options;
      options.format = format;
      options.choice.mode = Mode::kRequired;
      const auto source = CallGrammar(options, Tools(1), *tokenizer);
      auto grammar = Grammar::Compile(*tokenizer, GrammarKind::kLark, **source);
      ASSERT_TRUE(grammar.ok()) << grammar.status().message();
      const auto ids = tokenizer->Encode(text, false, true);
      for (const int32_t id : *ids) {
        const auto taken = (*grammar)->Commit(id);
        ASSERT_TRUE(taken.ok()) << tokenizer->TokenBytes(id, true) << ": " << taken.message();
      }
    }
  }
}

TEST(CallGrammarTest, NothingWhereTheAnswerIsFreeAndAnErrorWithoutAFormat) {
  WRING_SKIP_WITHOUT(TokenizerPath(), "set WRING_TEST_DATA to the folder that holds tokenizers");
  const auto tokenizer = WithTokens({});
  CallGrammarOptions options;
  for (const Mode mode : {Mode::kAuto, Mode::kNone}) {
    options.choice.mode = mode;
    const auto none = CallGrammar(options, Tools(1), *tokenizer);
    ASSERT_TRUE(none.ok());
    EXPECT_FALSE(none->has_value());
  }
  options.choice.mode = Mode::kRequired;
  EXPECT_EQ(CallGrammar(options, Tools(1), *tokenizer).status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace wring
