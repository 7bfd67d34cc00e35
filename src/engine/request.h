// What is asked of the engine and what comes back: prompt ids in, deltas of text out. Plain values; what HTTP and
// JSON make of them is the server's affair.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel_token.h"
#include "engine/sampler.h"
#include "kv/codec/codec.h"
#include "text/grammar.h"

namespace wring {

enum class FinishReason : uint8_t {
  kStop,    // an end-of-text token, a stop string, or a grammar that nothing can follow
  kLength,  // max_tokens, or the context is full
  kCancelled,
};

// No top alternatives, not even the chosen token's own log-probability.
inline constexpr int32_t kNoLogprobs = -1;

struct EngineRequest {
  std::vector<int32_t> prompt;
  SamplingParams sampling;        // `choice` is set by the engine, 0 to choices - 1
  uint32_t choices = 1;           // answers, all of the same prompt
  uint32_t max_tokens = 0;        // 0: until the context is full
  std::vector<std::string> stop;  // the text ends before the first of these
  bool ignore_stop_ids = false;   // go on past end-of-text tokens
  bool show_control_tokens =
      false;  // the text holds control tokens too ("<|python_tag|>"), stop ids never
  int32_t logprobs = kNoLogprobs;  // of each generated token: its own and so many alternatives
  int32_t prompt_logprobs = kNoLogprobs;  // the same of each prompt token after the first
  // One a choice, or none; used up by the answers.
  std::vector<std::shared_ptr<Grammar>> grammars;

  std::optional<CodecId> codec;  // of its KV cache; the engine's own when absent
  std::string cache_salt;        // prefixes are shared only between requests of equal salt
  std::string account;           // whom fairness charges (an API key's name)
  int32_t priority = 0;          // lower goes first
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  std::shared_ptr<CancelToken> cancel;  // may be null
};

// A token and its natural-log probability under the model, before temperature and penalties.
struct TokenScore {
  int32_t id = 0;
  float logprob = 0;
};
struct TokenLogprobs {
  TokenScore token;
  std::vector<TokenScore> top;  // the most likely ones, best first
};

// What a step added to one choice. Text comes in whole UTF-8 characters and never holds what a stop string takes
// back, so it may lag behind the tokens; the text of all deltas of a choice is its answer.
struct Delta {
  uint32_t choice = 0;
  std::string text;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprobs> logprobs;  // one a token when asked for
  std::optional<FinishReason> finish;   // in the last delta of the choice
  std::string stop;                     // the stop string that ended it, if one did
};

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;      // of the prompt, found in the prefix cache
  uint32_t completion_tokens = 0;  // over all choices, end-of-text tokens included
};

// Gets what becomes of a request, on the engine thread: must not block or throw. OnEnd is the last call and comes
// exactly once for every request that was taken, whatever happens to it.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  // The prompt has been computed; one entry a token after the first when prompt_logprobs were asked for.
  virtual void OnPrompt(const Usage& usage, std::vector<TokenLogprobs> prompt_logprobs) = 0;
  virtual void OnDelta(Delta delta) = 0;
  // Not ok: kCancelled, kLimit (deadline), or what went wrong with this request.
  virtual void OnEnd(const Status& status, const Usage& usage) = 0;
};

}  // namespace wring
