// Texts that meet every branch of the parsers.
#pragma once

#include <string>

#include "events.h"
#include "support/random_schema.h"

namespace wring::testing {

inline OutputParserOptions RandomOptions(Random& random) {
  constexpr CallFormat kFormats[] = {CallFormat::kNone,    CallFormat::kHermes, CallFormat::kLlama3,
                                     CallFormat::kMistral, CallFormat::kGemma,  CallFormat::kPhi};
  OutputParserOptions options;
  options.format = kFormats[random.Below(std::size(kFormats))];
  if (random.Chance(0.7)) options.tools = {"f", "get_x"};
  options.reasoning = random.Chance(0.2);
  options.starts_thinking = random.Chance(0.2);
  return options;
}

inline std::string RandomPart(Random& random) {
  constexpr std::string_view kParts[] = {"<tool_call>",
                                         "</tool_call>",
                                         "<|python_tag|>",
                                         "[TOOL_CALLS]",
                                         "[ARGS]",
                                         "[CALL_ID]",
                                         "<|tool_call|>",
                                         "<|/tool_call|>",
                                         "```json",
                                         "```tool_code",
                                         "```",
                                         "<think>",
                                         "</think>",
                                         R"({"name": "f", "arguments": {"x": [1, {"y": "}\""}]}})",
                                         R"({"name":"get_x","parameters":{}})",
                                         R"({"name": "f", "arguments": )",
                                         R"({"parameters": {"a": 1}, "name": "f"})",
                                         R"({"name": "g", "parameters": {}})",
                                         R"({"name": "f"})",
                                         R"({"a": )",
                                         R"("name": )",
                                         R"(f(x=1, y="a"))",
                                         "get_x(",
                                         "f{",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         "{}",
                                         ",",
                                         ";",
                                         ":",
                                         "\"",
                                         "\\",
                                         "(",
                                         ")",
                                         " ",
                                         "\n",
                                         "\n\n",
                                         "true",
                                         "nul",
                                         "1",
                                         "-",
                                         "f",
                                         "name",
                                         "text ",
                                         "é",
                                         "日",
                                         "<",
                                         "`"};
  std::string part(kParts[random.Below(std::size(kParts))]);
  if (random.Chance(0.1)) part.resize(random.Below(static_cast<uint32_t>(part.size()) + 1));
  return part;
}

}  // namespace wring::testing
