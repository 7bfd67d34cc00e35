// Embeddings, and what turns text into tokens and back.
#include "server/api/common_fields.h"
#include "server/api/limits.h"
#include "server/api/parse.h"

namespace wring::server {

ApiResult<EmbeddingCall> ParseEmbedding(std::string_view text, const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  EmbeddingCall call;
  if (const std::string* model = body.Text("model")) call.model = *model;
  call.inputs = ReadPrompts(body, "input", context.vocab_size);
  for (const auto& input : call.inputs) {
    if (!input.is_ids && input.text.empty())
      body.Fail("input", "holds an empty text: leave it out");
  }
  if (const std::string* format = body.Text("encoding_format")) {
    call.base64 = *format == "base64";
    if (!call.base64 && *format != "float") {
      body.Fail("encoding_format", "must be \"float\" or \"base64\"");
    }
  }
  if (const auto dimensions = body.Integer("dimensions")) {
    call.dimensions = static_cast<uint32_t>(*dimensions);
    if (call.dimensions > context.embedding_width) {
      body.Fail("dimensions", fmt::format("is more than the model's {}: give at most that",
                                          context.embedding_width));
    }
  }
  call.add_special_tokens = body.Flag("add_special_tokens").value_or(true);
  if (failure.failed()) return failure.error();
  return call;
}

ApiResult<TokenizeCall> ParseTokenize(std::string_view text, const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  TokenizeCall call;
  if (body.Has("messages")) {
    auto chat = ParseApplyTemplate(text, context);
    if (!chat.ok()) return chat.error();
    call.call = *std::move(chat);
    // Templates write bos themselves.
    call.call.add_special_tokens = body.Flag("add_special_tokens").value_or(false);
  } else {
    const char* name = body.Has("content") ? "content" : "prompt";
    call.call.prompts.push_back({body.Required(name), {}, false});
    call.call.add_special_tokens = body.Flag("add_special_tokens").value_or(true);
    if (const std::string* model = body.Text("model")) call.call.model = *model;
  }
  call.return_token_strs = body.Flag("return_token_strs").value_or(false);
  if (failure.failed()) return failure.error();
  return call;
}

ApiResult<std::vector<int32_t>> ParseDetokenize(std::string_view text,
                                                const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  std::vector<int32_t> ids;
  const Json* tokens = body.Array("tokens");
  if (tokens == nullptr) {
    body.Fail("tokens", "is missing: give an array of token ids");
  } else if (!tokens->empty()) {
    ids = ReadIds(*tokens, "tokens", context.vocab_size, failure);
  }
  if (failure.failed()) return failure.error();
  return ids;
}

}  // namespace wring::server
