// Phi-4: <|tool_call|>, an array of objects, <|/tool_call|>.
#include "server/tools/format_spec.h"

namespace wring {
namespace {

constexpr CallOpening kOpenings[] = {
    {.marker = "<|tool_call|>", .close = "<|/tool_call|>", .array = true}};

bool Matches(std::string_view chat_template) { return Has(chat_template, "<|tool_call|>"); }

std::string Grammar(const CallRules& rules) {
  return "calls: " + rules.Marker("<|tool_call|>") + R"( "[" call)" +
         std::string(rules.parallel() ? R"( (", " call)*)" : "") + " \"]\" " +
         rules.Marker("<|/tool_call|>") + "\n" + rules.Objects("arguments");
}

}  // namespace

const FormatSpec kPhiFormat = {CallFormat::kPhi, "phi", Matches, kOpenings, 0, Grammar};

}  // namespace wring
