#include "server/api/common_fields.h"

#include "server/api/limits.h"

namespace wring::server {
namespace {

// Names that the server itself gives to templates.
constexpr std::string_view kOwnNames[] = {
    "messages",  "tools",    "add_generation_prompt", "continue_final_message",
    "bos_token", "eos_token"};

}  // namespace

void ReadTemplateOptions(const Fields& body, GenerateCall* call) {
  Json kwargs = Json::object();
  if (const Json* given = body.Object("chat_template_kwargs")) {
    kwargs = *given;
    for (const auto name : kOwnNames) {
      if (FindMember(kwargs, name) != nullptr) {
        body.Fail("chat_template_kwargs",
                  fmt::format("sets {}, which the request itself gives: take it out", name));
      }
    }
  }
  if (const std::string* effort = body.Text("reasoning_effort")) {
    kwargs["reasoning_effort"] = *effort;
    // "none" is how OpenAI's clients turn thinking off; templates with a switch call it this.
    if (*effort == "none") kwargs.emplace("enable_thinking", false);
  }
  call->template_kwargs = Dump(kwargs);
  call->output.reasoning = body.Flag("include_reasoning").value_or(true);
  const bool go_on = body.Flag("continue_final_message").value_or(false);
  const auto prompt = body.Flag("add_generation_prompt");
  call->continue_final_message = go_on;
  call->add_generation_prompt = prompt.value_or(!go_on);
  if (go_on && call->add_generation_prompt) {
    body.Fail("continue_final_message",
              "and add_generation_prompt cannot both be true: choose one");
  }
}

void ReadTools(const Fields& body, GenerateCall* call) {
  if (const Json* tools = body.Array("tools")) {
    auto parsed = ParseTools(*tools);
    if (!parsed.ok()) {
      return body.failure().Add(MakeError(400, parsed.status().message(), "tools"));
    }
    call->tools = *std::move(parsed);
  }
  const Json* choice = body.Find("tool_choice");
  auto allowed = TakeAllowedTools(choice != nullptr ? *choice : Json(), &call->tools);
  if (!allowed.ok()) {
    return body.failure().Add(MakeError(400, allowed.status().message(), "tool_choice"));
  }
  auto parsed = ParseToolChoice(*allowed, call->tools);
  if (!parsed.ok()) {
    return body.failure().Add(MakeError(400, parsed.status().message(), "tool_choice"));
  }
  call->tool_choice = *std::move(parsed);
  if (const auto parallel = body.Flag("parallel_tool_calls")) {
    call->tool_choice.parallel = *parallel;
  }
}

std::vector<int32_t> ReadIds(const Json& array, const std::string& path, uint32_t vocab_size,
                             Failure& failure) {
  std::vector<int32_t> ids;
  if (!array.is_array() || array.empty()) {
    failure.Add(path, "must be an array of token ids that is not empty");
    return ids;
  }
  ids.reserve(array.size());
  for (const auto& value : array) {
    const auto id = value.is_number() ? WholeNumber(value) : std::nullopt;
    if (!id || *id < 0 || *id >= static_cast<int64_t>(vocab_size)) {
      failure.Add(path, fmt::format("has an element that is no token id: give ids from 0 to {}",
                                    vocab_size == 0 ? 0 : vocab_size - 1));
      return ids;
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

std::vector<Prompt> ReadPrompts(const Fields& body, std::string_view name, uint32_t vocab_size) {
  std::vector<Prompt> prompts;
  const Json* value = body.Find(name);
  constexpr std::string_view kShape =
      "must be a string, an array of strings, an array of token ids, or an array of such arrays";
  if (value == nullptr) {
    body.Fail(name, "is missing: give a string");
  } else if (const auto* text = value->get_ptr<const std::string*>()) {
    prompts.push_back({*text, {}, false});
  } else if (!value->is_array() || value->empty()) {
    body.Fail(name, kShape);
  } else if (value->front().is_number()) {
    prompts.push_back({{}, ReadIds(*value, std::string(name), vocab_size, body.failure()), true});
  } else if (value->size() > kMaxPrompts) {
    body.Fail(name, fmt::format("has {} elements, at most {} are taken: send several requests",
                                value->size(), kMaxPrompts));
  } else {
    for (size_t i = 0; i < value->size() && !body.failed(); ++i) {
      const Json& element = (*value)[i];
      if (const auto* piece = element.get_ptr<const std::string*>()) {
        prompts.push_back({*piece, {}, false});
      } else if (element.is_array()) {
        prompts.push_back(
            {{},
             ReadIds(element, fmt::format("{}[{}]", name, i), vocab_size, body.failure()),
             true});
      } else {
        body.Fail(name, kShape);
      }
    }
  }
  return prompts;
}

}  // namespace wring::server
