// Gemma 3: the template knows no tools; the prompt that Google documents asks for {"name", "parameters"}, which comes
// bare or in a ```json fence, or for Python calls in a ```tool_code fence.
#include "server/tools/format_spec.h"

namespace wring {
namespace {

constexpr CallOpening kOpenings[] = {
    {.marker = "```json", .close = "```", .shared = true, .array = true},
    {.marker = "```tool_code", .close = "```", .python = true},
    {.marker = "", .shared = true}};

bool Matches(std::string_view chat_template) { return Has(chat_template, "<start_of_turn>"); }

std::string Grammar(const CallRules& rules) {
  return "calls: call" + std::string(rules.parallel() ? R"( ("\n" call)*)" : "") + "\n" +
         rules.Objects("parameters");
}

}  // namespace

const FormatSpec kGemmaFormat = {CallFormat::kGemma, "gemma", Matches, kOpenings, 0, Grammar};

}  // namespace wring
