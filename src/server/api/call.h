// What the routes' bodies come to: one struct for all of them, so that what renders, tokenises, compiles and submits
// is the same code for each.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/request.h"
#include "server/api/api_error.h"
#include "server/tools/tool_definitions.h"
#include "text/grammar.h"

namespace wring::server {

struct Constraint {
  GrammarKind kind = GrammarKind::kJsonSchema;
  std::string source;
  std::string field;  // that it came from, for messages: "response_format"
};

// Text that is still to be tokenised, or ids.
struct Prompt {
  std::string text;
  std::vector<int32_t> ids;
  bool is_ids = false;
};

struct OutputOptions {
  bool stream = false;
  bool include_usage = false;     // a last chunk with the usage
  bool continuous_usage = false;  // and in every chunk
  bool echo = false;              // completions: the prompt before the answer
  bool prompt_only = false;  // completions with max_tokens 0: the one token generated is not shown
  bool reasoning = true;     // show it
  std::optional<int32_t> logprobs;  // alternatives a token
};

struct GenerateCall {
  Protocol protocol = Protocol::kChat;
  std::string model;  // as named; "" for none

  // A conversation: JSON text as chat templates take it.
  std::string messages;  // an array; "" when there are prompts instead
  std::vector<Tool> tools;
  std::string template_kwargs = "{}";  // an object
  ToolChoice tool_choice;
  bool add_generation_prompt = true;
  bool continue_final_message = false;

  // Completions. The choices of prompt p are p * request.choices and so on.
  std::vector<Prompt> prompts;
  std::optional<std::string> suffix;  // fill in the middle (fim.h)
  bool add_special_tokens = true;     // to texts, not to ids

  EngineRequest request;  // without prompt ids, grammars, account and cancel token
  bool seed_given = false;
  std::optional<Constraint> constraint;
  OutputOptions output;
  std::string echo;  // Responses: fields of the request that the answer repeats, a JSON object
};

// What parsers must know of the world.
struct ParseContext {
  uint32_t vocab_size = 0;
  uint32_t embedding_width = 0;
  std::chrono::steady_clock::time_point now{};
  uint64_t random = 0;  // becomes the seed of a request without one
};

}  // namespace wring::server
