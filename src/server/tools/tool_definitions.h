// The tools of a request and what it asks of them, checked: OpenAI's and Anthropic's ways of saying it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace wring {

inline constexpr size_t kMaxTools = 128;

struct Tool {
  std::string name;
  std::string description;
  // JSON text of the schema of its arguments; empty: it takes none. The order of properties is the request's, since
  // constrained answers write them in that order.
  std::string parameters;
};

struct ToolChoice {
  enum class Mode : uint8_t { kAuto, kNone, kRequired, kNamed };
  Mode mode = Mode::kAuto;
  std::string name;      // of kNamed
  bool parallel = true;  // more than one call in an answer
};

// OpenAI's `tools`: an array of {"type": "function", "function": {"name", "description", "parameters"}}.
// kInvalid with a sentence that says which tool and what of it. Null and absent are the caller's to tell apart.
Result<std::vector<Tool>> ParseTools(const nlohmann::ordered_json& tools);
// OpenAI's `tool_choice`: "auto", "none", "required", {"type": "function", "function": {"name"}}. A null is what OpenAI
// makes of an absent one: auto with tools, none without.
Result<ToolChoice> ParseToolChoice(const nlohmann::ordered_json& choice,
                                   const std::vector<Tool>& tools);

// OpenAI's {"type": "allowed_tools", "allowed_tools": {"mode", "tools": [{"type", "function": {"name"}}]}}, or flat as
// the Responses API has it: leaves these of the tools, in their order, and gives the mode back, "auto" or "required".
// Any other choice comes back as it is.
Result<nlohmann::ordered_json> TakeAllowedTools(const nlohmann::ordered_json& choice,
                                                std::vector<Tool>* tools);

// Anthropic's: {"name", "description", "input_schema"}, and {"type": "auto" | "any" | "tool" | "none", "name",
// "disable_parallel_tool_use"}.
Result<std::vector<Tool>> ParseAnthropicTools(const nlohmann::ordered_json& tools);
Result<ToolChoice> ParseAnthropicToolChoice(const nlohmann::ordered_json& choice,
                                            const std::vector<Tool>& tools);

// OpenAI's `tools`, as chat templates want them.
nlohmann::ordered_json ToolsForTemplate(const std::vector<Tool>& tools);

}  // namespace wring
