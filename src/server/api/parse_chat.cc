#include "server/api/common_fields.h"
#include "server/api/conversation.h"
#include "server/api/limits.h"
#include "server/api/parse.h"

namespace wring::server {
namespace {

// What templates see, of a chat and of /apply-template alike.
void ReadConversation(const Fields& body, GenerateCall* call) {
  call->protocol = Protocol::kChat;
  if (const std::string* model = body.Text("model")) call->model = *model;
  const Json messages = ReadMessages(body);
  ReadTools(body, call);
  ReadTemplateOptions(body, call);
  if (call->continue_final_message && !body.failed() &&
      messages.back().value("role", "") != "assistant") {
    body.Fail("continue_final_message", "needs a last message of the assistant: add one");
  }
  call->messages = Dump(messages);
}

void ReadLogprobs(const Fields& body, GenerateCall* call) {
  const bool wanted = body.Flag("logprobs").value_or(false);
  const auto top = body.Integer("top_logprobs");
  if (top.value_or(0) > 0 && !wanted) {
    return body.Fail("top_logprobs", "needs \"logprobs\": true: set it");
  }
  if (!wanted) return;
  call->output.logprobs = static_cast<int32_t>(top.value_or(0));
  call->request.logprobs = *call->output.logprobs;
}

void ReadLength(const Fields& body, GenerateCall* call) {
  const auto old = body.Integer("max_tokens");
  if (old == 0) {
    return body.Fail("max_tokens", "is out of range: give an integer from 1 to 2147483647");
  }
  const auto most = body.Integer("max_completion_tokens");
  call->request.max_tokens = static_cast<uint32_t>(most.value_or(old.value_or(0)));
}

void Refuse(const Fields& body) {
  if (const Json* kinds = body.Array("modalities")) {
    if (kinds->size() != 1 || kinds->front() != "text") {
      body.Fail("modalities", "must be [\"text\"]: this server writes text only");
    }
  }
  if (body.Has("audio")) {
    body.Fail("audio", "is not supported: this server writes text only, leave it out");
  }
  if (const Json* functions = body.Array("functions"); functions && !functions->empty()) {
    body.Fail("functions", "is an old form: send \"tools\" instead");
  }
}

}  // namespace

ApiResult<GenerateCall> ParseChat(std::string_view text, const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  GenerateCall call;
  ReadConversation(body, &call);
  ReadSampling(body, context, &call);
  ReadStops(body, "stop", &call);
  ReadStream(body, &call);
  ReadConstraint(body, &call);
  ReadLogprobs(body, &call);
  ReadLength(body, &call);
  Refuse(body);
  call.request.choices = static_cast<uint32_t>(body.Integer("n").value_or(1));
  using Mode = ToolChoice::Mode;
  const Mode mode = call.tool_choice.mode;
  if (call.constraint && (mode == Mode::kRequired || mode == Mode::kNamed)) {
    failure.Add(call.constraint->field,
                "cannot be kept together with a tool_choice that forces a call: choose one");
  }
  if (failure.failed()) return failure.error();
  return call;
}

ApiResult<GenerateCall> ParseApplyTemplate(std::string_view text, const ParseContext&) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  GenerateCall call;
  ReadConversation(Fields(*json, "", failure), &call);
  if (failure.failed()) return failure.error();
  return call;
}

std::string TemplateContext(const GenerateCall& call, std::string_view bos_token,
                            std::string_view eos_token, int64_t now) {
  Json out;
  if (!ParseValue(call.template_kwargs, &out) || !out.is_object()) out = Json::object();
  out.emplace("now", now);
  out["add_generation_prompt"] = call.add_generation_prompt;
  out["bos_token"] = bos_token;
  out["eos_token"] = eos_token;
  // The large parts are JSON already: spliced in, not read again.
  std::string text = Dump(out);
  text.pop_back();
  text += ",\"messages\":" + (call.messages.empty() ? std::string("[]") : call.messages);
  if (!call.tools.empty() && call.tool_choice.mode != ToolChoice::Mode::kNone) {
    text += ",\"tools\":[";
    for (size_t i = 0; i < call.tools.size(); ++i) {
      const Tool& tool = call.tools[i];
      // Templates read description and parameters without asking whether they are there.
      text += fmt::format(
          R"({}{{"type":"function","function":{{"name":{},"description":{},"parameters":{}}}}})",
          i == 0 ? "" : ",", Dump(tool.name), Dump(tool.description),
          tool.parameters.empty() ? R"({"type":"object","properties":{}})" : tool.parameters);
    }
    text += ']';
  }
  return text + '}';
}

}  // namespace wring::server
