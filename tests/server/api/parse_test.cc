#include "server/api/parse.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/rng.h"
#include "bodies.h"
#include "server/api/json_value.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

using testing::Context;
using testing::Route;

Json Cases(const std::string& name) {
  std::ifstream file(std::string(WRING_SOURCE_DIR "/tests/server/api/") + name);
  return Json::parse(file, nullptr, false);
}

Route RouteOf(const std::string& name) {
  constexpr const char* kNames[] = {"chat",      "completion", "responses",  "messages", "count",
                                    "embedding", "tokenize",   "detokenize", "template"};
  for (size_t i = 0; i < testing::kRoutes; ++i) {
    if (name == kNames[i]) return static_cast<Route>(i);
  }
  ADD_FAILURE() << name;
  return Route::kChat;
}

TEST(ApiParse, TakesValidBodies) {
  const Json cases = Cases("good_bodies.json");
  ASSERT_GT(cases.size(), 15U);
  for (const auto& c : cases) {
    const auto error = testing::Parse(RouteOf(c[0]), c[1].dump());
    EXPECT_FALSE(error) << c[1].dump() << "\n" << error->message;
  }
}

TEST(ApiParse, NamesWhatIsWrong) {
  const Json cases = Cases("bad_bodies.json");
  ASSERT_GT(cases.size(), 80U);
  for (const auto& c : cases) {
    const auto error = testing::Parse(RouteOf(c[0]), c[1].dump());
    ASSERT_TRUE(error) << c[1].dump();
    EXPECT_EQ(error->status, 400);
    EXPECT_EQ(error->type, "invalid_request_error");
    EXPECT_EQ(error->param, c[2].get<std::string>()) << error->message;
    EXPECT_NE(error->message.find(c[3].get<std::string>()), std::string::npos)
        << error->message << "\n"
        << c[1].dump();
  }
}

TEST(ApiParse, RefusesWhatIsNoJsonObject) {
  for (const char* body : {"", "{", "[]", "5", "null", "{\"a\":1e999}", "{\"a\":NaN}",
                           "{\"a\":\"\xff\"}", "{\"a\":01}", "{} x"}) {
    const auto error = testing::Parse(Route::kChat, body);
    ASSERT_TRUE(error) << body;
    EXPECT_EQ(error->status, 400) << body;
  }
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += '[';
  EXPECT_NE(testing::Parse(Route::kChat, deep)->message.find("deeper"), std::string::npos);
}

// A number of every field: one below its range, one above, wrong types, and both ends.
TEST(ApiParse, EveryNumberHasItsRangeAndType) {
  for (const auto& field : NumberFields()) {
    const std::string name(field.name);
    if (name == "logit_bias.*" || name == "min_tokens") continue;
    Route route = Route::kChat;
    Json body = {{"messages", {{{"role", "user"}, {"content", "x"}}}}};
    if (name == "best_of" || name == "logprobs" || name == "max_tokens") {
      route = Route::kCompletion;
      body = {{"prompt", "x"}, {"echo", true}};
    } else if (name == "max_output_tokens") {
      route = Route::kResponses;
      body = {{"input", "x"}};
    } else if (name == "dimensions") {
      route = Route::kEmbedding;
      body = {{"input", "x"}};
    } else if (name == "top_logprobs") {
      body["logprobs"] = true;
    }
    const auto param = [&](const Json& value) {
      Json changed = body;
      changed[name] = value;
      if (name == "best_of" && value.is_number_integer()) changed["n"] = value;
      const auto error = testing::Parse(route, changed.dump());
      return error ? error->param : std::string();
    };
    for (const Json& wrong : {Json("1"), Json(true), Json::array({1}), Json::object()}) {
      if (name == "logprobs" && wrong.is_boolean()) continue;
      EXPECT_EQ(param(wrong), name) << wrong.dump();
    }
    EXPECT_EQ(param(nullptr), "") << name;
    if (field.integer) {
      EXPECT_EQ(param(field.low + 0.5), name);
    }
    EXPECT_EQ(param(1e300), name);
    EXPECT_EQ(param(-1e300), name);
    if (name == "seed") {
      EXPECT_EQ(param(INT64_MIN), "");
      EXPECT_EQ(param(UINT64_MAX), "");
      continue;
    }
    EXPECT_NE(param(field.low - (field.integer ? 1 : 0.001)), "") << name;
    EXPECT_NE(param(field.high + 1), "") << name;
    EXPECT_EQ(param(field.integer ? Json(static_cast<int64_t>(field.low)) : Json(field.low)), "")
        << name;
    if (name == "dimensions") continue;  // bounded by the model
    EXPECT_EQ(param(field.integer ? Json(static_cast<int64_t>(field.high)) : Json(field.high)), "")
        << name;
  }
  EXPECT_NE(NumberFieldsMarkdown().find("| `temperature` | number | from 0 to 2 |"),
            std::string::npos);
}

TEST(ApiParse, ChatBecomesWhatTemplatesTake) {
  const Json body = Cases("good_bodies.json")[1][1];
  const auto call = ParseChat(body.dump(), Context());
  ASSERT_TRUE(call.ok());
  const Json messages = Json::parse(call->messages);
  EXPECT_EQ(messages[0].dump(), R"({"role":"system","content":"a\nb"})");
  EXPECT_EQ(messages[2]["content"], "");
  EXPECT_EQ(messages[2]["reasoning_content"], "hm");
  EXPECT_EQ(
      messages[2]["tool_calls"].dump(),
      R"([{"id":"call_1","type":"function","function":{"name":"weather","arguments":{"city":"Bonn"}}}])");
  EXPECT_EQ(messages[3]["tool_call_id"], "call_1");
  const EngineRequest& r = call->request;
  EXPECT_EQ(r.choices, 2U);
  EXPECT_EQ(r.max_tokens, 100U);
  EXPECT_EQ(r.sampling.seed, static_cast<uint64_t>(-5));
  EXPECT_EQ(r.logprobs, 3);
  EXPECT_EQ(r.stop.size(), 2U);
  EXPECT_EQ(r.priority, 3);
  EXPECT_EQ(r.codec, CodecId::kI8);
  EXPECT_EQ(r.deadline, Context().now + std::chrono::seconds(10));
  EXPECT_TRUE(CheckSampling(r.sampling).ok());
  EXPECT_FALSE(call->tool_choice.parallel);
  EXPECT_TRUE(call->output.continuous_usage);
  const Json context = Json::parse(TemplateContext(*call, "<s>", "</s>", 7));
  EXPECT_EQ(context["enable_thinking"], false);
  EXPECT_EQ(context["reasoning_effort"], "low");
  EXPECT_EQ(context["add_generation_prompt"], true);
  EXPECT_EQ(context["tools"][0]["function"]["parameters"]["required"][0], "city");
  EXPECT_EQ(context["now"], 7);
}

TEST(ApiParse, WithoutASeedOneIsDrawnThatJavaScriptCanHold) {
  const auto call = ParseCompletion(R"({"prompt":"x"})", Context());
  ASSERT_TRUE(call.ok());
  EXPECT_FALSE(call->seed_given);
  EXPECT_EQ(call->request.sampling.seed, 0xFEDCBA9876543210U & ((uint64_t{1} << 53) - 1));
  EXPECT_EQ(call->request.sampling.temperature, 1.0F);
  EXPECT_EQ(call->request.max_tokens, 16U);
}

TEST(ApiParse, ScoringAPromptGivesTheLastTokenToo) {
  const auto call = ParseCompletion(
      R"({"prompt":[[1,2],[3]],"max_tokens":1,"echo":true,"logprobs":1})", Context());
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->prompts.size(), 2U);
  EXPECT_EQ(call->request.prompt_logprobs, 1);
  EXPECT_TRUE(call->request.ignore_stop_ids);
  const auto none = ParseCompletion(R"({"prompt":"x","max_tokens":0,"echo":true})", Context());
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->output.prompt_only);
  EXPECT_EQ(none->request.max_tokens, 1U);
}

TEST(ApiParse, ResponsesAndMessagesGiveTheSameConversation) {
  const Json cases = Cases("good_bodies.json");
  const auto responses = ParseResponses(cases[10][1].dump(), Context());
  ASSERT_TRUE(responses.ok());
  EXPECT_EQ(responses->messages,
            R"([{"role":"user","content":"w?"},{"role":"assistant","content":"","tool_calls":[)"
            R"({"id":"c1","type":"function","function":{"name":"f","arguments":{"x":1}}}]},)"
            R"({"role":"tool","tool_call_id":"c1","content":"2"},)"
            R"({"role":"assistant","content":"two"},{"role":"user","content":"more"}])");
  EXPECT_EQ(responses->tool_choice.name, "f");
  EXPECT_EQ(Json::parse(responses->template_kwargs)["reasoning_effort"], "low");
  const auto messages = ParseMessages(cases[13][1].dump(), Context());
  ASSERT_TRUE(messages.ok());
  EXPECT_EQ(messages->messages,
            R"([{"role":"system","content":"s"},{"role":"user","content":"w?"},)"
            R"({"role":"assistant","content":"ok","reasoning_content":"t","tool_calls":[)"
            R"({"id":"c","type":"function","function":{"name":"f","arguments":{"x":1}}}]},)"
            R"({"role":"tool","tool_call_id":"c","content":"2"},{"role":"user","content":"so?"}])");
  EXPECT_FALSE(messages->tool_choice.parallel);
  EXPECT_EQ(messages->tool_choice.mode, ToolChoice::Mode::kRequired);
  EXPECT_FALSE(messages->continue_final_message);
}

TEST(ApiParse, AnAnswerBegunGoesOn) {
  const auto call = ParseMessages(
      R"({"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"{"}]})",
      Context());
  ASSERT_TRUE(call.ok());
  EXPECT_TRUE(call->continue_final_message);
  EXPECT_FALSE(call->add_generation_prompt);
}

TEST(ApiParse, ConstraintsKeepTheSchemasOrder) {
  const Json cases = Cases("good_bodies.json");
  const auto schema = ParseChat(cases[2][1].dump(), Context());
  ASSERT_TRUE(schema.ok() && schema->constraint);
  EXPECT_EQ(schema->constraint->source, R"({"type":"object","properties":{"b":{},"a":{}}})");
  const auto choice = ParseChat(cases[3][1].dump(), Context());
  ASSERT_TRUE(choice.ok() && choice->constraint);
  EXPECT_EQ(choice->constraint->kind, GrammarKind::kRegex);
  EXPECT_EQ(choice->constraint->source, R"((?:yes|no\.))");
}

TEST(ApiParse, OfEqualKeysTheLastWinsAndManyKeysAreQuick) {
  const auto call = ParseCompletion(R"({"prompt":"a","n":2,"prompt":"b"})", Context());
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->prompts[0].text, "b");
  std::string body = "{\"prompt\":\"a\"";
  for (int i = 0; i < 200000; ++i) body += fmt::format(",\"k{}\":0", i);
  EXPECT_TRUE(ParseCompletion(body + "}", Context()).ok());  // minutes when each key looks at all
}

// A changed body is refused with a sentence or taken; nothing else can happen.
TEST(ApiParse, SurvivesTwoThousandMutations) {
  const Json cases = Cases("good_bodies.json");
  uint32_t counter = 0;
  const auto draw = [&](size_t below) {
    return static_cast<size_t>(Philox({counter++, 0, 0, 0}, 1)[0] % below);
  };
  const std::string parts[] = {
      "1e999", "-1",  "\xff\xfe", "null",    "[[[[",        "{}",  "18446744073709551616",
      "\"\"",  "0.1", "true",     "\\u0000", "\"\\ud800\"", "NaN", "9223372036854775807"};
  size_t taken = 0;
  for (int i = 0; i < 2000; ++i) {
    const Json& c = cases[draw(cases.size())];
    std::string body = c[1].dump();
    for (size_t k = draw(3) + 1; k > 0; --k) {
      const size_t at = draw(body.size());
      switch (draw(4)) {
        case 0: body[at] = static_cast<char>(draw(256)); break;
        case 1: body.erase(at, draw(8)); break;
        case 2: body.insert(at, parts[draw(std::size(parts))]); break;
        default: {  // another value for a field, of some other type
          const size_t colon = body.find(':', at);
          if (colon == std::string::npos) break;
          const size_t end = body.find_first_of(",}]", colon);
          body.replace(colon + 1, end - colon - 1, parts[draw(std::size(parts))]);
        }
      }
    }
    for (const Route route : {RouteOf(c[0]), static_cast<Route>(draw(testing::kRoutes))}) {
      const auto error = testing::Parse(route, body);
      taken += error ? 0 : 1;
      if (!error) continue;
      EXPECT_FALSE(error->message.empty());
      EXPECT_GE(error->status, 400);
      EXPECT_TRUE(Json::accept(ErrorBody(Protocol::kChat, *error)));
    }
  }
  EXPECT_GT(taken, 200U);
}

}  // namespace
}  // namespace wring::server
