#include "serve/chunk.h"

#include <nlohmann/json.hpp>

namespace wring::load {
namespace {

using nlohmann::json;

const json* Field(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(name);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

// What Python's `if value` says.
bool Truthy(const json* value) {
  if (value == nullptr) return false;
  if (value->is_string()) return !value->get_ref<const std::string&>().empty();
  return !value->empty();
}

std::optional<uint64_t> Count(const json& usage, const char* name) {
  const json* value = Field(usage, name);
  return value && value->is_number_unsigned() ? std::optional(value->get<uint64_t>())
                                              : std::nullopt;
}

void ReadChoice(const json& choice, bool chat, Chunk* chunk) {
  chunk->finished = Field(choice, "finish_reason") != nullptr;
  const json* delta = Field(choice, "delta");
  const json* text = chat ? (delta ? Field(*delta, "content") : nullptr) : Field(choice, "text");
  if (text && text->is_string()) chunk->text = text->get<std::string>();
  if (!chat) {
    chunk->token = true;
    return;
  }
  if (!delta) return;
  const bool empty_content = text && text->is_string() && chunk->text.empty();
  chunk->token = Truthy(text) || Truthy(Field(*delta, "reasoning")) ||
                 Truthy(Field(*delta, "tool_calls")) || Truthy(Field(*delta, "function_call")) ||
                 (empty_content && !delta->contains("role"));
}

}  // namespace

Chunk ReadChunk(std::string_view data, bool chat) {
  Chunk chunk;
  if (data == "[DONE]") {
    chunk.done = true;
    return chunk;
  }
  const json event = json::parse(data, nullptr, false);
  if (!event.is_object()) {
    chunk.malformed = true;
    return chunk;
  }
  if (const json* error = Field(event, "error")) {
    const json* message = Field(*error, "message");
    chunk.error = message && message->is_string() ? message->get<std::string>() : "an error";
  }
  const json* choices = Field(event, "choices");
  if (choices && choices->is_array() && !choices->empty()) {
    ReadChoice(choices->front(), chat, &chunk);
  }
  if (const json* usage = Field(event, "usage")) {
    chunk.prompt_tokens = Count(*usage, "prompt_tokens");
    chunk.completion_tokens = Count(*usage, "completion_tokens");
  }
  return chunk;
}

}  // namespace wring::load
