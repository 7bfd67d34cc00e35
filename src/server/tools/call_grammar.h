// The grammar of an answer that must be a tool call, for llguidance (GrammarKind::kLark). It allows no text that the
// format's parser would not read as calls of the tools offered, with arguments that follow their schemas.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/tools/call_format.h"
#include "server/tools/tool_definitions.h"
#include "text/tokenizer.h"

namespace wring {

struct CallGrammarOptions {
  CallFormat format = CallFormat::kNone;
  ToolChoice choice;
  bool reasoning = false;        // the answer may begin with <think>...</think>
  bool starts_thinking = false;  // it begins inside: text up to </think>, then the call
};

// Nothing where the choice leaves the answer free. kUnsupported when calls are asked for and there is no format.
// Markers that are tokens of the tokenizer are only taken as such: the model was taught these.
Result<std::optional<std::string>> CallGrammar(const CallGrammarOptions& options,
                                               const std::vector<Tool>& tools,
                                               const Tokenizer& tokenizer);

}  // namespace wring
