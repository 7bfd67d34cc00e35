// Runs a parser over a text cut somewhere, puts its events together again, and says what must hold of any.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/tools/json_scanner.h"
#include "server/tools/output_parser.h"

namespace wring::testing {

inline std::function<std::string()> CountingIds() {
  return [n = 0]() mutable { return "id" + std::to_string(n++); };
}

// Neighbours of a kind become one, so that cuts leave no trace.
inline OutputEvents Merged(const OutputEvents& events) {
  OutputEvents out;
  for (const auto& e : events) {
    const bool text = e.kind == OutputEvent::Kind::kContent ||
                      e.kind == OutputEvent::Kind::kReasoning ||
                      e.kind == OutputEvent::Kind::kCallArguments;
    if (text) {
      AddText(out, e.kind, e.text, e.index);
    } else {
      out.push_back(e);
    }
  }
  return out;
}

// A line an event, see cases/README.
inline std::string Shown(const OutputEvents& events) {
  std::string out;
  for (const auto& e : events) {
    switch (e.kind) {
      case OutputEvent::Kind::kContent: out += "content " + e.text; break;
      case OutputEvent::Kind::kReasoning: out += "reasoning " + e.text; break;
      case OutputEvent::Kind::kCallBegin:
        out += "call " + e.name;
        if (e.id != "id" + std::to_string(e.index)) out += " with the wrong id " + e.id;
        break;
      case OutputEvent::Kind::kCallArguments: out += "args " + e.text; break;
      case OutputEvent::Kind::kCallEnd: out += e.complete ? "end" : "cut"; break;
    }
    out += '\n';
  }
  return out;
}

inline OutputEvents Parse(const OutputParserOptions& options, std::span<const std::string> pieces) {
  OutputParserOptions own = options;
  own.make_id = CountingIds();
  const auto parser = MakeOutputParser(std::move(own));
  OutputEvents events;
  for (const auto& piece : pieces) {
    // Each push has its own events, as a server sends them.
    OutputEvents some;
    parser->Push(piece, some);
    events.insert(events.end(), some.begin(), some.end());
  }
  parser->Finish(events);
  return Merged(events);
}

inline std::string ParsedText(const OutputParserOptions& options,
                              std::span<const std::string> pieces) {
  return Shown(Parse(options, pieces));
}

// Empty, or what is wrong with `events` as those of `text`.
inline std::string Fault(const OutputParserOptions& options, std::string_view text,
                         const OutputEvents& events) {
  std::string content;
  size_t calls = 0;
  bool open = false;
  std::string arguments;
  for (const auto& e : events) {
    switch (e.kind) {
      case OutputEvent::Kind::kContent:
      case OutputEvent::Kind::kReasoning:
        if (open) return "text in a call";
        if (e.kind == OutputEvent::Kind::kContent) content += e.text;
        break;
      case OutputEvent::Kind::kCallBegin:
        if (open || e.name.empty() || e.index != calls) return "a call begins wrongly";
        open = true;
        arguments.clear();
        break;
      case OutputEvent::Kind::kCallArguments:
        if (!open || e.index != calls) return "arguments of no call";
        arguments += e.text;
        break;
      case OutputEvent::Kind::kCallEnd:
        if (!open || e.index != calls) return "the end of no call";
        if (e.complete != IsJsonObject(arguments)) return "arguments that are no object";
        ++calls;
        open = false;
        break;
    }
  }
  if (open) return "a call without an end";
  // Content is the text without what was syntax, in order.
  size_t at = 0;
  for (const char c : text) at += at < content.size() && content[at] == c ? 1 : 0;
  if (at < content.size()) return "content that is not in the text";
  const bool thinks = options.reasoning || options.starts_thinking;
  if (calls == 0 && !thinks && content != text) return "text was lost or came twice";
  return "";
}

}  // namespace wring::testing
