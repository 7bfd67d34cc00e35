// Nous Hermes, Qwen 2.5 and 3: <tool_call>, an object on a line of its own, </tool_call>; one pair a call. Small ones
// (Qwen 2.5 Coder) leave the tags away: an answer that begins with such an object is a call as well.
#include "server/tools/format_spec.h"

namespace wring {
namespace {

constexpr CallOpening kOpenings[] = {
    {.marker = "<tool_call>", .close = "</tool_call>", .array = true},
    {.marker = "", .shared = true, .first = true}};

// Qwen3-Coder puts XML of functions and parameters between the same tags.
bool Matches(std::string_view chat_template) {
  return Has(chat_template, "<tool_call>") && !Has(chat_template, "<function=");
}

std::string Grammar(const CallRules& rules) {
  const std::string one =
      rules.Marker("<tool_call>") + R"( "\n" call "\n" )" + rules.Marker("</tool_call>");
  return "calls: one" + std::string(rules.parallel() ? R"( ("\n" one)*)" : "") + "\none: " + one +
         "\n" + rules.Objects("arguments");
}

}  // namespace

const FormatSpec kHermesFormat = {CallFormat::kHermes, "hermes", Matches, kOpenings, 0, Grammar};

}  // namespace wring
