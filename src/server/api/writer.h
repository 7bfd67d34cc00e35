// From what the engine says to what the client reads. One writer an answer; not thread-safe.
//
// A streaming writer returns complete server-sent events, ready to be sent, "" for nothing. A whole writer returns
// nothing before the end. Both forms hold the same text.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "server/api/api_error.h"
#include "server/api/call.h"
#include "server/tools/output_event.h"

namespace wring::server {

struct AnswerInfo {
  std::string id;  // without a protocol's prefix: letters and digits
  int64_t created = 0;
  std::string model;
  std::string fingerprint;  // "" for none
  uint64_t seed = 0;
  OutputOptions output;
  uint32_t choices = 1;  // over all prompts
  std::string echo;      // GenerateCall::echo, of Responses
  // The bytes of a token, control tokens as they are written; needed where there are log-probabilities.
  std::function<std::string(int32_t)> token_bytes;
};

// How an answer ended.
struct Ending {
  // When nothing was streamed yet: an ordinary answer with this status and the body `text`. Else `text` is the stream's
  // last events and the status is to be ignored.
  bool whole = true;
  int status = 200;
  std::string text = {};
  double retry_after = 0;
};

class Writer {
 public:
  virtual ~Writer() = default;
  // `prompt`: which one of a completion's prompts, else 0.
  virtual std::string OnPrompt(uint32_t prompt, const Usage& usage,
                               const std::vector<TokenLogprobs>& prompt_logprobs) = 0;
  // `events`: what the delta's text comes to. Completions take the text as it is and ignore them. delta.choice counts
  // over all prompts.
  virtual std::string OnDelta(const Delta& delta, const OutputEvents& events) = 0;
  // Once, the last call. `usage`: summed over the prompts.
  virtual Ending OnEnd(const Usage& usage) = 0;
  virtual Ending OnError(const ApiError& error) = 0;
};

struct PromptEcho {
  std::string text;
  std::vector<int32_t> ids;
};

std::unique_ptr<Writer> MakeChatWriter(AnswerInfo info);
// `prompts`: one a prompt where output.echo is set, with the ids that the engine was given; may be empty otherwise.
std::unique_ptr<Writer> MakeCompletionWriter(AnswerInfo info, std::vector<PromptEcho> prompts);
std::unique_ptr<Writer> MakeResponsesWriter(AnswerInfo info);
std::unique_ptr<Writer> MakeMessagesWriter(AnswerInfo info);
// The one that goes with the call.
std::unique_ptr<Writer> MakeWriter(Protocol protocol, AnswerInfo info,
                                   std::vector<PromptEcho> prompts = {});

}  // namespace wring::server
