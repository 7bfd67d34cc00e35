#include "server/api/common_fields.h"
#include "server/api/conversation.h"
#include "server/api/parse.h"

namespace wring::server {
namespace {

void ReadAnthropicTools(const Fields& body, GenerateCall* call) {
  if (const Json* tools = body.Array("tools")) {
    auto parsed = ParseAnthropicTools(*tools);
    if (!parsed.ok()) {
      return body.failure().Add(MakeError(400, parsed.status().message(), "tools"));
    }
    call->tools = *std::move(parsed);
  }
  const Json* choice = body.Find("tool_choice");
  auto parsed = ParseAnthropicToolChoice(choice != nullptr ? *choice : Json(), call->tools);
  if (!parsed.ok()) {
    return body.failure().Add(MakeError(400, parsed.status().message(), "tool_choice"));
  }
  call->tool_choice = *std::move(parsed);
}

// Templates that can switch thinking call the switch enable_thinking.
void ReadThinking(const Fields& body, GenerateCall* call) {
  ReadTemplateOptions(body, call);
  const Json* thinking = body.Object("thinking");
  if (thinking == nullptr) return;
  const std::string type = Fields(*thinking, "thinking", body.failure()).Required("type");
  Json kwargs;
  ParseValue(call->template_kwargs, &kwargs);
  kwargs["enable_thinking"] = type != "disabled";
  call->template_kwargs = Dump(kwargs);
}

}  // namespace

ApiResult<GenerateCall> ParseMessages(std::string_view text, const ParseContext& context,
                                      bool count_only) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  GenerateCall call;
  call.protocol = Protocol::kMessages;
  const Json messages = ReadAnthropicMessages(body);
  ReadAnthropicTools(body, &call);
  ReadThinking(body, &call);
  ReadSampling(body, context, &call);
  ReadStops(body, "stop_sequences", &call);
  ReadConstraint(body, &call);
  call.output.stream = body.Flag("stream").value_or(false);
  const auto most = body.Integer("max_tokens");
  if (!count_only && most.value_or(0) == 0) {
    body.Fail("max_tokens", "is missing: give an integer from 1 to 2147483647");
  }
  call.request.max_tokens = static_cast<uint32_t>(most.value_or(0));
  if (failure.failed()) return failure.error();
  // An answer that the client began goes on where it stands.
  if (messages.back().value("role", "") == "assistant" && !messages.back().contains("tool_calls")) {
    call.continue_final_message = true;
    call.add_generation_prompt = false;
  }
  call.messages = Dump(messages);
  return call;
}

}  // namespace wring::server
