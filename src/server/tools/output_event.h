// What becomes of a model's text: content, reasoning and tool calls, in the order in which they were written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wring {

struct OutputEvent {
  enum class Kind : uint8_t {
    kContent,
    kReasoning,
    kCallBegin,      // index, id, name
    kCallArguments,  // index, text: a piece of the JSON object of the arguments as the model wrote it
    kCallEnd,        // index, complete
  };
  Kind kind = Kind::kContent;
  std::string text;
  uint32_t index = 0;  // of the call in this answer
  std::string id;
  std::string name;
  // The pieces of the arguments are one whole JSON object; false when the text broke off or went wrong in them.
  bool complete = false;
};

using OutputEvents = std::vector<OutputEvent>;

// Adds text to the last event when that is of the same kind, so that a push gives few events.
inline void AddText(OutputEvents& events, OutputEvent::Kind kind, std::string_view text,
                    uint32_t index = 0) {
  if (text.empty()) return;
  if (events.empty() || events.back().kind != kind || events.back().index != index) {
    events.push_back({kind, {}, index, {}, {}, false});
  }
  events.back().text += text;
}

}  // namespace wring
