// What the writers share. Include this only from .cc files.
#pragma once

#include <string>

#include "server/api/json_value.h"
#include "server/api/writer.h"

namespace wring::server {

// "data: ...\n\n", with "event: ..." before it when there is a name.
std::string Frame(const Json& value, std::string_view event = "");
inline constexpr std::string_view kDone = "data: [DONE]\n\n";

// OpenAI's usage of chats and completions.
Json UsageJson(const Usage& usage, uint32_t reasoning_tokens);

// How a token is shown: its text, or "bytes:\xNN..." when it is a piece of a character.
std::string TokenText(std::string_view bytes);
// A JSON number even for probability 0, whose logarithm JSON cannot say.
double FiniteLogprob(float logprob);
// An entry of a chat's logprobs.content.
Json ChatLogprob(const TokenLogprobs& token, const AnswerInfo& info);

// Completions' logprobs: four lists, one entry a token.
class CompletionLogprobs {
 public:
  // `offset`: of the first token in the choice's text, in characters.
  explicit CompletionLogprobs(size_t offset = 0) : offset_(offset) {}
  // Without log-probabilities (a text's first token): null.
  void Add(int32_t id, const TokenLogprobs* scores, const AnswerInfo& info);
  // What was added since the last time.
  Json Take();
  bool empty() const { return tokens_.empty(); }

 private:
  size_t offset_;
  Json tokens_ = Json::array(), scores_ = Json::array(), top_ = Json::array(),
       offsets_ = Json::array();
};

// "stop" or "length".
std::string_view FinishText(FinishReason reason);

}  // namespace wring::server
