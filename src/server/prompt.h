// From a call to token ids: chat template, tokenizer, fill in the middle. For text workers.
#pragma once

#include <string>
#include <vector>

#include "server/api/call.h"
#include "server/service.h"

namespace wring::server {

// The conversation of a call as the model's chat template writes it.
ApiResult<std::string> RenderConversation(const Model& model, const GenerateCall& call);

struct PromptIds {
  std::vector<std::vector<int32_t>> prompts;
  std::string rendered;  // of a conversation
};
// The ids of a call's prompts, or of its conversation.
ApiResult<PromptIds> EncodePrompts(const Model& model, const GenerateCall& call);

// Fails with 404 when a request names a model that is not served.
std::optional<ApiError> CheckModel(const std::string& named, const std::string& served);

}  // namespace wring::server
