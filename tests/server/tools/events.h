// Runs a parser over a text cut somewhere and puts its events together again.
#pragma once

#include <span>
#include <string>
#include <vector>

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

}  // namespace wring::testing
