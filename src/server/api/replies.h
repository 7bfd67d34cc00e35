// Whole answers that no stream has.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/parse.h"

namespace wring::server {

// The first `dimensions` numbers, scaled to length 1 again; all of them as they are when that is 0 or not fewer. Models
// trained for it (Matryoshka) keep most of their meaning in front; of others a part is what was asked for.
std::vector<float> Shortened(std::span<const float> vector, uint32_t dimensions);

// One vector an input, in order.
std::string EmbeddingReply(const EmbeddingCall& call, std::string_view model,
                           const std::vector<std::vector<float>>& vectors, uint64_t prompt_tokens);
// `token_bytes`: for token_strs, may be empty otherwise.
std::string TokenizeReply(std::span<const int32_t> ids, uint32_t max_model_len, bool token_strs,
                          const std::function<std::string(int32_t)>& token_bytes);
// As vLLM's, whose harnesses ask it for what they would else read from a tokenizer's files; null for what is empty.
std::string TokenizerInfoReply(std::string_view bos_token, std::string_view eos_token,
                               std::string_view chat_template);
// {"prompt", "content"}: the same text under vLLM's and llama.cpp's name.
std::string DetokenizeReply(std::string_view text);
std::string ApplyTemplateReply(std::string_view text);
// /v1/messages/count_tokens
std::string CountReply(uint64_t tokens);

}  // namespace wring::server
