// `system` and `messages` of /v1/messages, whose content is blocks: one message may hold text, calls and results.
#include "formats/printable.h"
#include "server/api/conversation.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

void Join(std::string& all, bool& any, const std::string& text) {
  if (any) all += '\n';
  all += text;
  any = true;
}

class BlockReader {
 public:
  BlockReader(bool assistant, Json& messages, Failure& failure)
      : assistant_(assistant), messages_(messages), failure_(failure) {}

  void Read(const Json& block, const std::string& path) {
    if (!block.is_object()) return failure_.Add(path, "must be a block, an object with a type");
    const Fields fields(block, path, failure_);
    const std::string type = fields.Required("type");
    if (failure_.failed()) return;
    if (type == "text") {
      Join(text_, has_text_, fields.Required("text"));
    } else if (type == "tool_use" && assistant_) {
      AddCall(fields);
    } else if (type == "tool_result" && !assistant_) {
      AddResult(fields);
    } else if (type == "thinking" && assistant_) {
      Join(thinking_, has_thinking_, fields.Required("thinking"));
    } else if (type == "redacted_thinking" && assistant_) {
      return;  // only its writer can read it
    } else {
      fields.Fail("type", fmt::format("is {}, but this server takes {} here", Quoted(type, 40),
                                      assistant_ ? "text, tool_use and thinking only"
                                                 : "text and tool_result only"));
    }
  }

  void End() {
    if (!assistant_) {
      if (has_text_ || !has_results_) {
        messages_.push_back({{"role", "user"}, {"content", text_}});
      }
      return;
    }
    Json message = {{"role", "assistant"}, {"content", text_}};
    if (has_thinking_) message["reasoning_content"] = thinking_;
    if (!calls_.empty()) message["tool_calls"] = std::move(calls_);
    messages_.push_back(std::move(message));
  }

 private:
  void AddCall(const Fields& fields) {
    const Json* input = fields.Object("input");
    calls_.push_back({{"id", fields.Required("id")},
                      {"type", "function"},
                      {"function",
                       {{"name", fields.Required("name")},
                        {"arguments", input != nullptr ? *input : Json::object()}}}});
  }

  void AddResult(const Fields& fields) {
    fields.Flag("is_error");
    // Results come before what the user says to them.
    messages_.push_back({{"role", "tool"},
                         {"tool_call_id", fields.Required("tool_use_id")},
                         {"content", ContentText(fields.Find("content"), fields.Path("content"),
                                                 "text", failure_)}});
    has_results_ = true;
  }

  bool assistant_;
  Json& messages_;
  Failure& failure_;
  std::string text_, thinking_;
  bool has_text_ = false, has_thinking_ = false, has_results_ = false;
  Json calls_ = Json::array();
};

void ReadOne(const Json& given, const std::string& path, Failure& failure, Json& messages) {
  if (!given.is_object()) return failure.Add(path, "must be an object with a role and content");
  const Fields message(given, path, failure);
  const std::string role = message.Required("role");
  if (failure.failed()) return;
  if (role != "user" && role != "assistant") {
    return message.Fail("role",
                        "must be user or assistant: what the system says goes to \"system\"");
  }
  const Json* content = message.Find("content");
  if (content == nullptr) {
    return message.Fail("content", "is missing: give a string or an array of blocks");
  }
  if (const auto* text = content->get_ptr<const std::string*>()) {
    messages.push_back({{"role", role}, {"content", *text}});
    return;
  }
  if (!content->is_array()) {
    return message.Fail("content", "must be a string or an array of blocks");
  }
  BlockReader blocks(role == "assistant", messages, failure);
  for (size_t i = 0; i < content->size() && !failure.failed(); ++i) {
    blocks.Read((*content)[i], fmt::format("{}.content[{}]", path, i));
  }
  blocks.End();
}

}  // namespace

Json ReadAnthropicMessages(const Fields& body) {
  Json out = Json::array();
  if (const Json* system = body.Find("system")) {
    std::string text = ContentText(system, "system", "text", body.failure());
    if (!text.empty()) out.push_back({{"role", "system"}, {"content", std::move(text)}});
  }
  const Json* messages = body.Array("messages");
  if (messages == nullptr || messages->empty() || messages->size() > kMaxMessages) {
    body.Fail("messages", fmt::format("must be an array of 1 to {} messages", kMaxMessages));
    return out;
  }
  for (size_t i = 0; i < messages->size() && !body.failed(); ++i) {
    ReadOne((*messages)[i], fmt::format("messages[{}]", i), body.failure(), out);
  }
  return out;
}

}  // namespace wring::server
