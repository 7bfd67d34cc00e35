// A model's text, taken apart while it arrives. Where the text is cut into pieces changes nothing but where the
// events' texts are cut: content, reasoning and each call's arguments, put together, are the same.
//
// Content goes out as soon as it is known to be content: held back are whitespace and what may begin a marker.
// Whitespace around a call belongs to the call's syntax. What looked like a call and was none is content, to the byte.
// Arguments go out as they are written, so a fault in them is found after the call has begun: the call then ends
// incomplete, and the text from the fault on is content.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/tools/call_format.h"
#include "server/tools/output_event.h"

namespace wring {

class OutputParser {
 public:
  virtual ~OutputParser() = default;
  virtual void Push(std::string_view text, OutputEvents& events) = 0;
  // The text has ended. Nothing may follow.
  virtual void Finish(OutputEvents& events) = 0;
};

struct OutputParserOptions {
  CallFormat format = CallFormat::kNone;
  // A call that no marker announces counts only when it names one of these; any name counts when there are none.
  std::vector<std::string> tools;
  // Gives each call its id; MakeCallId(format, ...) has the shape that templates want. Required with a format.
  std::function<std::string()> make_id;
  bool reasoning = false;        // take <think>...</think> from the front, see reasoning.h
  bool starts_thinking = false;  // the prompt has opened it
};

std::unique_ptr<OutputParser> MakeOutputParser(OutputParserOptions options);

}  // namespace wring
