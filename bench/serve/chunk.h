// One event of an OpenAI stream, as far as measuring needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wring::load {

struct Chunk {
  bool malformed = false;
  bool done = false;      // "[DONE]"
  bool token = false;     // counts as an arrival of tokens, by the rules of vLLM's benchmark
  bool finished = false;  // a finish_reason
  std::string text;
  std::string error;  // the server reports a failure inside the stream
  std::optional<uint64_t> prompt_tokens;
  std::optional<uint64_t> completion_tokens;
};

// vLLM's rules: of a completion every event with a choice counts, its text may be empty; of a chat those whose
// delta has content, reasoning or tool calls, or an empty content without a role.
Chunk ReadChunk(std::string_view data, bool chat);

}  // namespace wring::load
