// The items of /v1/responses as messages.
#include "formats/printable.h"
#include "server/api/conversation.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

// The assistant's message that calls and reasoning go to: the last one when it is the assistant's, else a new one.
Json& Assistant(Json& messages) {
  if (messages.empty() || messages.back()["role"] != "assistant") {
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  }
  return messages.back();
}

void AddMessage(const Fields& item, Json& messages) {
  const std::string role = item.Required("role");
  if (item.failed()) return;
  if (role != "system" && role != "developer" && role != "user" && role != "assistant") {
    return item.Fail("role", "must be system, developer, user or assistant");
  }
  const Json* content = item.Find("content");
  if (content == nullptr) return item.Fail("content", "is missing: give a string");
  messages.push_back(
      {{"role", role == "developer" ? "system" : role},
       {"content", ContentText(content, item.Path("content"), "input_text output_text text refusal",
                               item.failure())}});
}

void AddCall(const Fields& item, Json& messages) {
  Json call = {{"id", item.Required("call_id")},
               {"type", "function"},
               {"function",
                {{"name", item.Required("name")},
                 {"arguments", CallArguments(item.Required("arguments"))}}}};
  if (item.failed()) return;
  Json& message = Assistant(messages);
  if (!message.contains("tool_calls")) message["tool_calls"] = Json::array();
  message["tool_calls"].push_back(std::move(call));
}

void AddItem(const Json& given, const std::string& path, Failure& failure, Json& messages) {
  if (!given.is_object()) return failure.Add(path, "must be an object");
  const Fields item(given, path, failure);
  const std::string* type = item.Text("type");
  if (type == nullptr || *type == "message") return AddMessage(item, messages);
  if (*type == "function_call") return AddCall(item, messages);
  if (*type == "function_call_output") {
    messages.push_back({{"role", "tool"},
                        {"tool_call_id", item.Required("call_id")},
                        {"content", ContentText(item.Find("output"), item.Path("output"),
                                                "input_text output_text text", failure)}});
    return;
  }
  if (*type == "reasoning") return;  // templates drop what was thought in earlier turns
  item.Fail("type", fmt::format("is {}: send message, function_call, function_call_output or "
                                "reasoning",
                                Quoted(*type, 40)));
}

}  // namespace

Json ReadInput(const Fields& body) {
  Json messages = Json::array();
  if (const std::string* instructions = body.Text("instructions")) {
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json* input = body.Find("input");
  if (input == nullptr) {
    body.Fail("input", "is missing: give a string or an array of items");
  } else if (const auto* text = input->get_ptr<const std::string*>()) {
    messages.push_back({{"role", "user"}, {"content", *text}});
  } else if (!input->is_array() || input->empty() || input->size() > kMaxMessages) {
    body.Fail("input", fmt::format("must be a string or an array of 1 to {} items", kMaxMessages));
  } else {
    for (size_t i = 0; i < input->size() && !body.failed(); ++i) {
      AddItem((*input)[i], fmt::format("input[{}]", i), body.failure(), messages);
    }
    if (messages.empty()) body.Fail("input", "holds no message: give at least one");
  }
  return messages;
}

}  // namespace wring::server
