#include "server/prompt.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "server/api/fim.h"
#include "server/api/parse.h"

namespace wring::server {
namespace {

ApiError NoTokenizer(const Model& model) {
  return MakeError(400, fmt::format("{} carries no tokenizer: send token ids", model.name));
}

// The content of the last message, when it is text.
std::string LastContent(const std::string& messages) {
  const auto json = nlohmann::json::parse(messages, nullptr, false);
  if (!json.is_array() || json.empty() || !json.back().is_object()) return "";
  const auto content = json.back().find("content");
  return content != json.back().end() && content->is_string() ? content->get<std::string>() : "";
}

// Without what the template writes behind the last message, so that the model goes on with it.
ApiResult<std::string> CutBehindLastMessage(std::string text, const std::string& messages) {
  std::string last = LastContent(messages);
  while (!last.empty() && std::isspace(static_cast<unsigned char>(last.back())) != 0) {
    last.pop_back();  // templates trim
  }
  const size_t at = last.empty() ? std::string::npos : text.rfind(last);
  if (at == std::string::npos) {
    return MakeError(400,
                     "the chat template does not show the last message as it is, so it cannot be "
                     "continued: leave continue_final_message out",
                     "continue_final_message");
  }
  text.resize(at + last.size());
  return text;
}

}  // namespace

std::optional<ApiError> CheckModel(const std::string& named, const std::string& served) {
  if (named.empty() || named == served) return std::nullopt;
  ApiError error = MakeError(
      404, fmt::format("the model {} is not served here: ask for {}", named, served), "model");
  error.code = "model_not_found";
  return error;
}

ApiResult<std::string> RenderConversation(const Model& model, const GenerateCall& call) {
  if (model.chat_template == nullptr) {
    return MakeError(400, fmt::format("{} has no chat template: use /v1/completions", model.name));
  }
  auto text = model.chat_template->Render(
      TemplateContext(call, model.bos_token, model.eos_token, std::time(nullptr)));
  if (!text.ok()) {
    // What a template raises is about the conversation, so the client's to repair.
    return MakeError(400,
                     fmt::format("the model's chat template does not take this conversation: {}",
                                 text.status().message()),
                     "messages");
  }
  if (!call.continue_final_message) return *std::move(text);
  return CutBehindLastMessage(*std::move(text), call.messages);
}

ApiResult<PromptIds> EncodePrompts(const Model& model, const GenerateCall& call) {
  PromptIds out;
  const auto encode = [&](std::string_view text, bool special,
                          bool parse) -> std::optional<ApiError> {
    if (model.tokenizer == nullptr) return NoTokenizer(model);
    auto ids = model.tokenizer->Encode(text, special, parse);
    if (!ids.ok()) return ErrorFrom(ids.status());
    out.prompts.push_back(*std::move(ids));
    return std::nullopt;
  };
  if (!call.messages.empty()) {
    auto text = RenderConversation(model, call);
    if (!text.ok()) return text.error();
    out.rendered = *std::move(text);
    // Templates write bos themselves where they want it.
    if (auto error = encode(out.rendered, false, true)) return *error;
    return out;
  }
  for (const Prompt& p : call.prompts) {
    if (call.suffix) {
      if (model.tokenizer == nullptr) return NoTokenizer(model);
      if (p.is_ids) return MakeError(400, "with a suffix the prompt must be text", "prompt");
      auto ids = FimPrompt(*model.tokenizer, p.text, *call.suffix, call.add_special_tokens);
      if (!ids.ok()) return MakeError(400, ids.status().message(), "suffix");
      out.prompts.push_back(*std::move(ids));
    } else if (p.is_ids) {
      out.prompts.push_back(p.ids);
    } else if (auto error = encode(p.text, call.add_special_tokens, true)) {
      return *error;
    }
  }
  return out;
}

}  // namespace wring::server
