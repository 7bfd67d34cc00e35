// Texts that meet every branch of the parsers, and what must hold of the events of any text.
#pragma once

#include <algorithm>
#include <string>

#include "events.h"
#include "server/tools/json_scanner.h"
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

// Empty, or what is wrong with `events` as those of `text`.
inline std::string Fault(const OutputParserOptions& options, std::string_view text,
                         const OutputEvents& events) {
  std::string content;
  size_t calls = 0;
  bool open = false;
  std::string arguments;
  for (const auto& e : events) {
    switch (e.kind) {
      case OutputEvent::Kind::kContent:
      case OutputEvent::Kind::kReasoning:
        if (open) return "text in a call";
        if (e.kind == OutputEvent::Kind::kContent) content += e.text;
        break;
      case OutputEvent::Kind::kCallBegin:
        if (open || e.name.empty() || e.index != calls) return "a call begins wrongly";
        open = true;
        arguments.clear();
        break;
      case OutputEvent::Kind::kCallArguments:
        if (!open || e.index != calls) return "arguments of no call";
        arguments += e.text;
        break;
      case OutputEvent::Kind::kCallEnd:
        if (!open || e.index != calls) return "the end of no call";
        if (e.complete != IsJsonObject(arguments)) return "arguments that are no object";
        ++calls;
        open = false;
        break;
    }
  }
  if (open) return "a call without an end";
  // Content is the text without what was syntax, in order.
  size_t at = 0;
  for (const char c : text) at += at < content.size() && content[at] == c ? 1 : 0;
  if (at < content.size()) return "content that is not in the text";
  const bool thinks = options.reasoning || options.starts_thinking;
  if (calls == 0 && !thinks && content != text) return "text was lost or came twice";
  return "";
}

}  // namespace wring::testing
