// What several routes' bodies have in common. Include this only from .cc files.
#pragma once

#include <string>
#include <vector>

#include "server/api/call.h"
#include "server/api/fields.h"

namespace wring::server {

// Everything of the sampling chain, the seed, codec, salt, priority and deadline.
void ReadSampling(const Fields& body, const ParseContext& context, GenerateCall* call);
// `stop`, or `stop_sequences`: a string or an array of some.
void ReadStops(const Fields& body, std::string_view name, GenerateCall* call);
void ReadStream(const Fields& body, GenerateCall* call);

// `response_format` and the extensions that say the same; at most one of them.
void ReadConstraint(const Fields& body, GenerateCall* call);
// The value of response_format, or of the Responses API's text.format, whose schema lies flat in it.
void ReadFormat(const Json& format, const std::string& path, Failure& failure, GenerateCall* call);
void SetConstraint(GenerateCall* call, Failure& failure, GrammarKind kind, std::string source,
                   std::string field);

// chat_template_kwargs and reasoning_effort, and whether reasoning is shown.
void ReadTemplateOptions(const Fields& body, GenerateCall* call);

// OpenAI's `tools`, `tool_choice` and `parallel_tool_calls`.
void ReadTools(const Fields& body, GenerateCall* call);

// A string, an array of strings, an array of ids, or an array of arrays of ids.
std::vector<Prompt> ReadPrompts(const Fields& body, std::string_view name, uint32_t vocab_size);
// An array of ids below vocab_size.
std::vector<int32_t> ReadIds(const Json& array, const std::string& path, uint32_t vocab_size,
                             Failure& failure);

}  // namespace wring::server
