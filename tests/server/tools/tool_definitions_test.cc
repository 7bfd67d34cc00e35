#include "server/tools/tool_definitions.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wring {
namespace {

using Json = nlohmann::ordered_json;
using Mode = ToolChoice::Mode;

Json Function(const std::string& name) {
  return {{"type", "function"}, {"function", {{"name", name}}}};
}

template <typename T>
std::string Why(const Result<T>& result) {
  return result.ok() ? "" : result.status().message();
}

TEST(ToolDefinitionsTest, ToolsAreTakenAndKeepTheirOrder) {
  const Json json =
      Json::parse(R"([{"type": "function", "function": {"name": "get-x_1", "description": "d",
    "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}, "strict": true}},
    {"type": "function", "function": {"name": "f", "description": null, "parameters": null}}])");
  const auto tools = ParseTools(json);
  ASSERT_TRUE(tools.ok()) << tools.status().message();
  ASSERT_EQ(tools->size(), 2U);
  EXPECT_EQ((*tools)[0].name, "get-x_1");
  EXPECT_EQ((*tools)[0].description, "d");
  EXPECT_EQ((*tools)[0].parameters, R"({"type":"object","properties":{"z":{},"a":{}}})");
  EXPECT_EQ((*tools)[1].parameters, "");
  EXPECT_EQ(ToolsForTemplate(*tools).dump(),
            R"([{"type":"function","function":{"name":"get-x_1","description":"d",)"
            R"("parameters":{"type":"object","properties":{"z":{},"a":{}}}}},)"
            R"({"type":"function","function":{"name":"f","description":"",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
}

TEST(ToolDefinitionsTest, EveryFaultIsASentence) {
  const std::pair<const char*, const char*> kFaults[] = {
      {R"({})", "tools must be an array"},
      {R"([1])", "tools[0] must be an object"},
      {R"([{"function": {"name": "f"}}])",
       "tools[0].type must be \"function\": there are no other tools here"},
      {R"([{"type": "retrieval"}])",
       "tools[0].type must be \"function\": there are no other tools here"},
      {R"([{"type": "function"}])", "tools[0].function must be an object"},
      {R"([{"type": "function", "function": {}}])",
       "tools[0].function.name must be a string of 1 to 64 letters, digits, underscores and "
       "hyphens"},
      {R"([{"type": "function", "function": {"name": "a b"}}])",
       "tools[0].function.name must be a string of 1 to 64 letters, digits, underscores and "
       "hyphens"},
      {R"([{"type": "function", "function": {"name": "f", "description": 1}}])",
       "tools[0].function.description must be a string"},
      {R"([{"type": "function", "function": {"name": "f", "parameters": []}}])",
       "tools[0].function.parameters must be a JSON schema, an object"},
      {R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}])",
       "tools[0].function.parameters.type must be \"object\": a call's arguments have names"},
      {R"([{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}])",
       "tools[1]: there is another tool named 'f', and names must differ"},
  };
  for (const auto& [json, message] : kFaults)
    EXPECT_EQ(Why(ParseTools(Json::parse(json))), message) << json;
  EXPECT_NE(Why(ParseTools(Json::array({Function(std::string(65, 'a'))}))), "");
  EXPECT_EQ(Why(ParseTools(Json::array({Function(std::string(64, 'a'))}))), "");
  Json many = Json::array();
  for (int i = 0; i < 129; ++i) many.push_back(Function(fmt::format("f{}", i)));
  EXPECT_EQ(Why(ParseTools(many)), "there are 129 tools: at most 128 are taken");
}

TEST(ToolDefinitionsTest, Choices) {
  const std::vector<Tool> tools = {{"f", "", ""}};
  EXPECT_EQ(ParseToolChoice(nullptr, tools)->mode, Mode::kAuto);
  EXPECT_EQ(ParseToolChoice(nullptr, {})->mode, Mode::kNone);
  EXPECT_EQ(ParseToolChoice("auto", tools)->mode, Mode::kAuto);
  EXPECT_EQ(ParseToolChoice("none", tools)->mode, Mode::kNone);
  EXPECT_EQ(ParseToolChoice("required", tools)->mode, Mode::kRequired);
  const auto named = ParseToolChoice(Function("f"), tools);
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->mode, Mode::kNamed);
  EXPECT_EQ(named->name, "f");

  EXPECT_EQ(Why(ParseToolChoice("required", {})),
            "tool_choice requires a call, but there are no tools");
  EXPECT_EQ(Why(ParseToolChoice(Function("g\n"), tools)),
            "tool_choice names 'g\\n', which is not among the tools");
  EXPECT_EQ(Why(ParseToolChoice(Json{{"type", "function"}}, tools)),
            "tool_choice.function.name must be the name of a tool");
  for (const Json& odd : {Json(1), Json("any"), Json::object(), Json::array(), Json(true)})
    EXPECT_TRUE(Why(ParseToolChoice(odd, tools)).starts_with("tool_choice must be")) << odd;
}

TEST(ToolDefinitionsTest, Anthropic) {
  const auto tools = ParseAnthropicTools(Json::parse(
      R"([{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"b": {}, "a": {}}}},
          {"type": "custom", "name": "g", "input_schema": {"type": "object"}}])"));
  ASSERT_TRUE(tools.ok()) << tools.status().message();
  EXPECT_EQ((*tools)[0].parameters, R"({"type":"object","properties":{"b":{},"a":{}}})");
  EXPECT_EQ(Why(ParseAnthropicTools(Json::parse(R"([{"name": "f"}])"))),
            "tools[0].input_schema must be a JSON schema, an object");
  EXPECT_EQ(Why(ParseAnthropicTools(Json::parse(R"([{"type": "bash_20250124", "name": "bash"}])"))),
            "tools[0].type must be \"custom\": there are no other tools here");

  const auto choice = [&](const char* json) {
    return ParseAnthropicToolChoice(Json::parse(json), *tools);
  };
  EXPECT_EQ(choice("null")->mode, Mode::kAuto);
  EXPECT_EQ(choice(R"({"type": "auto"})")->mode, Mode::kAuto);
  EXPECT_EQ(choice(R"({"type": "none"})")->mode, Mode::kNone);
  EXPECT_EQ(choice(R"({"type": "any"})")->mode, Mode::kRequired);
  EXPECT_TRUE(choice(R"({"type": "any"})")->parallel);
  EXPECT_FALSE(choice(R"({"type": "any", "disable_parallel_tool_use": true})")->parallel);
  EXPECT_EQ(choice(R"({"type": "tool", "name": "g"})")->name, "g");
  EXPECT_EQ(Why(choice(R"({"type": "tool", "name": "h"})")),
            "tool_choice names 'h', which is not among the tools");
  EXPECT_EQ(Why(choice(R"({"type": "tool"})")), "tool_choice.name must be the name of a tool");
  EXPECT_EQ(Why(choice(R"({"type": "all"})")),
            "tool_choice.type must be \"auto\", \"any\", \"tool\" or \"none\"");
  EXPECT_EQ(Why(choice(R"("auto")")), "tool_choice must be an object with a type");
}

}  // namespace
}  // namespace wring
