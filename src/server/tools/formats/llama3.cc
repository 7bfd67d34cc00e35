// Llama 3.1 to 3.3: an object {"name", "parameters"} and nothing else, sometimes after <|python_tag|>; several are
// separated by ";".
#include "server/tools/format_spec.h"

namespace wring {
namespace {

constexpr CallOpening kOpenings[] = {{.marker = "<|python_tag|>"}, {.marker = "", .shared = true}};

// Others train Llama 3 to call in ways of their own.
bool Matches(std::string_view chat_template) {
  return Has(chat_template, "<|start_header_id|>") && Has(chat_template, "\"parameters\"") &&
         !Has(chat_template, "<function=") && !Has(chat_template, "functools[");
}

std::string Grammar(const CallRules& rules) {
  return "calls: call" + std::string(rules.parallel() ? R"( ("; " call)*)" : "") + "\n" +
         rules.Objects("parameters");
}

}  // namespace

const FormatSpec kLlama3Format = {CallFormat::kLlama3, "llama3", Matches, kOpenings, ';', Grammar};

}  // namespace wring
