#include "server/api/common_fields.h"
#include "server/api/conversation.h"
#include "server/api/parse.h"

namespace wring::server {
namespace {

// What would need a store of conversations, or other things than text.
void Refuse(const Fields& body) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (body.Has(name)) {
      body.Fail(name,
                "is not supported, since this server stores nothing: send the whole "
                "conversation as input");
    }
  }
  if (body.Flag("background").value_or(false)) {
    body.Fail("background", "is not supported, since this server stores nothing: leave it out");
  }
  const Json* include = body.Array("include");
  if (include == nullptr) return;
  for (const auto& what : *include) {
    if (!what.is_string()) return body.Fail("include", "must be an array of strings");
    if (what == "message.output_text.logprobs") {
      body.Fail("include",
                "asks for logprobs, which only /v1/chat/completions and "
                "/v1/completions give: leave it out");
    }
  }
}

// Flat tools into the nested ones of chats.
Json NestTools(const Fields& body) {
  Json tools = Json::array();
  const Json* given = body.Array("tools");
  if (given == nullptr) return tools;
  for (size_t i = 0; i < given->size() && !body.failed(); ++i) {
    const Fields tool((*given)[i], fmt::format("tools[{}]", i), body.failure());
    const std::string* type = tool.Text("type");
    if (type == nullptr || *type != "function") {
      tool.Fail("type", "must be \"function\": there are no other tools here");
      break;
    }
    tools.push_back({{"type", "function"}, {"function", (*given)[i]}});
  }
  return tools;
}

Json NestChoice(const Fields& body) {
  const Json* choice = body.Find("tool_choice");
  if (choice == nullptr) return {};
  if (!choice->is_object() || choice->contains("function")) return *choice;
  const Json* name = FindMember(*choice, "name");
  Json nested = *choice;
  nested["function"] = {{"name", name != nullptr ? *name : Json()}};
  return nested;
}

// The tools as clients read them in an answer: with every member, given or not.
Json ToolsAgain(const Fields& body) {
  Json tools = Json::array();
  const Json* given = body.Array("tools");
  if (given == nullptr) return tools;
  for (const Json& tool : *given) {
    Json again = tool;
    for (const char* name : {"description", "parameters", "strict"}) {
      if (!again.contains(name)) again[name] = nullptr;
    }
    tools.push_back(std::move(again));
  }
  return tools;
}

// What the answer says again.
std::string Echo(const Fields& body, const GenerateCall& call) {
  const auto given = [&](const char* name, const Json& otherwise) {
    const Json* value = body.Find(name);
    return value != nullptr ? *value : otherwise;
  };
  const Json text = given("text", Json::object());
  Json format = {{"type", "text"}};
  if (const Json* asked = FindMember(text, "format")) format = *asked;
  const auto temperature = body.Number("temperature"), top_p = body.Number("top_p");
  return Dump({{"instructions", given("instructions", Json())},
               {"max_output_tokens", given("max_output_tokens", Json())},
               {"metadata", given("metadata", Json::object())},
               {"parallel_tool_calls", call.tool_choice.parallel},
               {"previous_response_id", nullptr},
               {"reasoning", given("reasoning", {{"effort", nullptr}, {"summary", nullptr}})},
               {"store", false},
               {"temperature", temperature.value_or(1.0)},
               {"text", {{"format", std::move(format)}}},
               {"tool_choice", given("tool_choice", "auto")},
               {"tools", ToolsAgain(body)},
               {"top_p", top_p.value_or(1.0)},
               {"truncation", "disabled"}});
}

void ReadReasoning(const Fields& body, GenerateCall* call) {
  ReadTemplateOptions(body, call);
  const Json* reasoning = body.Object("reasoning");
  if (reasoning == nullptr) return;
  const std::string* effort = Fields(*reasoning, "reasoning", body.failure()).Text("effort");
  if (effort == nullptr) return;
  Json kwargs;
  ParseValue(call->template_kwargs, &kwargs);
  kwargs["reasoning_effort"] = *effort;
  if (*effort == "none") kwargs.emplace("enable_thinking", false);
  call->template_kwargs = Dump(kwargs);
}

void ReadNestedTools(const Fields& body, Failure& failure, GenerateCall* call) {
  Json nested = {{"tools", NestTools(body)}, {"tool_choice", NestChoice(body)}};
  if (const Json* parallel = body.Find("parallel_tool_calls")) {
    nested["parallel_tool_calls"] = *parallel;
  }
  ReadTools(Fields(nested, "", failure), call);
}

}  // namespace

ApiResult<GenerateCall> ParseResponses(std::string_view text, const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  GenerateCall call;
  call.protocol = Protocol::kResponses;
  Refuse(body);
  call.messages = Dump(ReadInput(body));
  ReadNestedTools(body, failure, &call);
  ReadReasoning(body, &call);
  ReadSampling(body, context, &call);
  ReadStops(body, "stop", &call);
  call.output.stream = body.Flag("stream").value_or(false);
  call.request.max_tokens = static_cast<uint32_t>(body.Integer("max_output_tokens").value_or(0));
  ReadConstraint(body, &call);
  if (const Json* shape = body.Object("text")) {
    if (const Json* format = FindMember(*shape, "format")) {
      ReadFormat(*format, "text.format", failure, &call);
    }
  }
  if (const Json* metadata = body.Object("metadata")) {
    for (const auto& [key, value] : metadata->items()) {
      if (!value.is_string()) body.Fail("metadata", "must be an object of strings");
    }
  }
  using Mode = ToolChoice::Mode;
  if (call.constraint &&
      (call.tool_choice.mode == Mode::kRequired || call.tool_choice.mode == Mode::kNamed)) {
    failure.Add(call.constraint->field,
                "cannot be kept together with a tool_choice that forces a call: choose one");
  }
  if (failure.failed()) return failure.error();
  call.echo = Echo(body, call);
  return call;
}

}  // namespace wring::server
