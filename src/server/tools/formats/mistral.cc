// Mistral: [TOOL_CALLS] and an array of objects, until tokenizer version 11 (Mistral Small 3.2, Magistral) made it
// [TOOL_CALLS]name[ARGS]{...}, a marker a call.
#include "server/tools/format_spec.h"

namespace wring {
namespace {

constexpr CallOpening kOpenings[] = {{.marker = "[TOOL_CALLS]", .array = true, .named = true}};

bool Matches(std::string_view chat_template) { return Has(chat_template, "[TOOL_CALLS]"); }

std::string Grammar(const CallRules& rules) {
  const std::string marker = rules.Marker("[TOOL_CALLS]");
  if (rules.HasToken("[ARGS]")) {
    return "calls: one" + std::string(rules.parallel() ? "+" : "") + "\none: " + marker +
           " named\n" + rules.Named(rules.Marker("[ARGS]"));
  }
  return "calls: " + marker + R"( "[" call)" +
         std::string(rules.parallel() ? R"( (", " call)*)" : "") + " \"]\"\n" +
         rules.Objects("arguments");
}

}  // namespace

const FormatSpec kMistralFormat = {CallFormat::kMistral, "mistral", Matches, kOpenings, 0, Grammar};

}  // namespace wring
