// Bodies of requests into calls: pure functions, whose every failure is an ApiError that names the field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/call.h"

namespace wring::server {

// POST /v1/chat/completions; also what /apply-template and /tokenize with messages take.
ApiResult<GenerateCall> ParseChat(std::string_view text, const ParseContext& context);
// POST /v1/completions
ApiResult<GenerateCall> ParseCompletion(std::string_view text, const ParseContext& context);
// POST /v1/responses, without what would need a store
ApiResult<GenerateCall> ParseResponses(std::string_view text, const ParseContext& context);
// POST /v1/messages, and /v1/messages/count_tokens, which needs no max_tokens
ApiResult<GenerateCall> ParseMessages(std::string_view text, const ParseContext& context,
                                      bool count_only = false);

struct EmbeddingCall {
  std::string model;
  std::vector<Prompt> inputs;
  bool base64 = false;      // little-endian float32
  uint32_t dimensions = 0;  // the first so many, scaled to length 1 again; 0: all
  bool add_special_tokens = true;
};
// POST /v1/embeddings
ApiResult<EmbeddingCall> ParseEmbedding(std::string_view text, const ParseContext& context);

struct TokenizeCall {
  GenerateCall call;  // messages, or one prompt
  bool return_token_strs = false;
};
// POST /tokenize: {"prompt" (or "content") | "messages", "add_special_tokens", "return_token_strs"}
ApiResult<TokenizeCall> ParseTokenize(std::string_view text, const ParseContext& context);
// POST /detokenize: {"tokens"}
ApiResult<std::vector<int32_t>> ParseDetokenize(std::string_view text, const ParseContext& context);
// POST /apply-template: the fields of a chat that templates see
ApiResult<GenerateCall> ParseApplyTemplate(std::string_view text, const ParseContext& context);

// The JSON that a chat template is rendered with. `now`: seconds since 1970, for strftime_now.
std::string TemplateContext(const GenerateCall& call, std::string_view bos_token,
                            std::string_view eos_token, int64_t now);

}  // namespace wring::server
