#include "server/tools/output_parser.h"

#include <cassert>

#include "server/tools/call_parser.h"
#include "server/tools/reasoning.h"

namespace wring {
namespace {

class PlainParser final : public OutputParser {
 public:
  void Push(std::string_view text, OutputEvents& events) override {
    AddText(events, OutputEvent::Kind::kContent, text);
  }
  void Finish(OutputEvents&) override {}
};

}  // namespace

std::unique_ptr<OutputParser> MakeOutputParser(OutputParserOptions options) {
  const bool reasoning = options.reasoning || options.starts_thinking;
  const bool starts_thinking = options.starts_thinking;
  std::unique_ptr<OutputParser> parser;
  if (const FormatSpec* spec = FindFormatSpec(options.format); spec != nullptr) {
    assert(options.make_id);
    parser = std::make_unique<CallParser>(*spec, std::move(options));
  } else {
    parser = std::make_unique<PlainParser>();
  }
  if (!reasoning) return parser;
  return std::make_unique<ReasoningParser>(starts_thinking, std::move(parser));
}

}  // namespace wring
