#include "server/api/conversation.h"

#include <algorithm>
#include <array>

#include "formats/printable.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};

// One call of an assistant's message, {"id", "type", "function": {"name", "arguments"}}.
Json ReadCall(const Json& call, const std::string& path, Failure& failure) {
  const Fields fields(call, path, failure);
  const Json* function = fields.Object("function");
  if (function == nullptr) {
    fields.Fail("function", "is missing: give {\"name\", \"arguments\"}");
    return {};
  }
  const Fields inner(*function, fields.Path("function"), failure);
  Json out = Json::object();
  if (const std::string* id = fields.Text("id")) out["id"] = *id;
  const Json* given = inner.Find("arguments");
  Json arguments = Json::object();
  if (given != nullptr && given->is_object()) {
    arguments = *given;
  } else if (const std::string* text = inner.Text("arguments")) {
    arguments = CallArguments(*text);
  }
  out["type"] = "function";
  out["function"] = {{"name", inner.Required("name")}, {"arguments", std::move(arguments)}};
  return out;
}

Json ReadCalls(const Fields& message) {
  Json calls = Json::array();
  if (const Json* given = message.Array("tool_calls")) {
    for (size_t i = 0; i < given->size() && !message.failed(); ++i) {
      calls.push_back(ReadCall((*given)[i], fmt::format("{}[{}]", message.Path("tool_calls"), i),
                               message.failure()));
    }
  }
  // The form before tool calls.
  if (const Json* old = message.Object("function_call"); old != nullptr && calls.empty()) {
    calls.push_back(
        ReadCall({{"function", *old}}, message.Path("function_call"), message.failure()));
  }
  return calls;
}

Json ReadMessage(const Json& given, const std::string& path, Failure& failure) {
  const Fields message(given, path, failure);
  if (!given.is_object()) {
    failure.Add(path, "must be an object with a role and content");
    return {};
  }
  std::string role = message.Required("role");
  if (message.failed()) return {};
  if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
    message.Fail("role", "must be system, developer, user, assistant, tool or function");
    return {};
  }
  if (role == "developer") role = "system";
  if (role == "function") role = "tool";
  const bool assistant = role == "assistant";

  Json out = {{"role", role}};
  const Json* content = message.Find("content");
  if (content == nullptr && !assistant) message.Fail("content", "is missing: give a string");
  out["content"] = ContentText(content, message.Path("content"), "text refusal", failure);
  if (const std::string* name = message.Text("name")) out["name"] = *name;
  if (const std::string* id = message.Text("tool_call_id")) out["tool_call_id"] = *id;
  if (!assistant) return out;
  for (const char* field : {"reasoning_content", "reasoning"}) {
    const std::string* text = message.Text(field);
    if (text != nullptr && !out.contains("reasoning_content")) out["reasoning_content"] = *text;
  }
  if (Json calls = ReadCalls(message); !calls.empty()) out["tool_calls"] = std::move(calls);
  return out;
}

}  // namespace

Json CallArguments(const std::string& text) {
  if (text.empty()) return Json::object();
  Json value;
  if (!ParseValue(text, &value) || !value.is_object()) return text;
  return value;
}

std::string ContentText(const Json* content, const std::string& path, std::string_view types,
                        Failure& failure) {
  if (content == nullptr || content->is_null()) return {};
  if (const auto* text = content->get_ptr<const std::string*>()) return *text;
  if (!content->is_array()) {
    failure.Add(path, "must be a string or an array of parts");
    return {};
  }
  std::string all;
  const std::string known = fmt::format(" {} ", types);
  for (size_t i = 0; i < content->size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    const Fields part((*content)[i], at, failure);
    const std::string type = part.Required("type");
    if (part.failed()) return {};
    if (type.empty() || known.find(fmt::format(" {} ", type)) == std::string::npos) {
      failure.Add(at, fmt::format("has the type {}, but this server takes text only: send parts of "
                                  "type \"{}\"",
                                  Quoted(type, 40), types.substr(0, types.find(' '))));
      return {};
    }
    if (i > 0) all += '\n';
    all += part.Required(type == "refusal" ? "refusal" : "text");
  }
  return all;
}

Json ReadMessages(const Fields& body) {
  Json out = Json::array();
  const Json* messages = body.Array("messages");
  if (messages == nullptr || messages->empty() || messages->size() > kMaxMessages) {
    body.Fail("messages", fmt::format("must be an array of 1 to {} messages", kMaxMessages));
    return out;
  }
  for (size_t i = 0; i < messages->size() && !body.failed(); ++i) {
    out.push_back(ReadMessage((*messages)[i], fmt::format("messages[{}]", i), body.failure()));
  }
  return out;
}

}  // namespace wring::server
