// What the engine says in the writers' tests, and a writer that is told it.
#pragma once

#include <string>
#include <vector>

#include "server/api/writer.h"

namespace wring::server {

using Kind = OutputEvent::Kind;

inline AnswerInfo Info(bool stream, uint32_t choices = 1) {
  AnswerInfo info;
  info.id = "1";
  info.created = 1700000000;
  info.model = "m";
  info.fingerprint = "fp_1";
  info.seed = 42;
  info.choices = choices;
  info.output.stream = stream;
  info.output.include_usage = stream;
  info.echo = R"({"instructions":null,"metadata":{},"parallel_tool_calls":true,"temperature":1.0,)"
              R"("text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0})";
  // Letters stand for themselves; 300 is the first half of a character.
  info.token_bytes = [](int32_t id) {
    return id == 300 ? std::string("\xC3") : std::string(1, static_cast<char>(id));
  };
  return info;
}

struct Step {
  Delta delta;
  OutputEvents events;
};

inline OutputEvent Event(Kind kind, std::string text) {
  return {kind, std::move(text), 0, {}, {}, false};
}

// Thinks, says something, calls a tool.
inline std::vector<Step> Script() {
  std::vector<Step> steps(6);
  steps[0].events = {Event(Kind::kReasoning, "so\n")};
  steps[1].events = {Event(Kind::kContent, "I \"look\xC3\xA9")};
  steps[2].events = {Event(Kind::kContent, ".\n")};
  steps[3].events = {{Kind::kCallBegin, {}, 0, "call_1", "weather", false},
                     {Kind::kCallArguments, "{\"city\":", 0, {}, {}, false}};
  steps[4].events = {{Kind::kCallArguments, "\"Bonn\"}", 0, {}, {}, false},
                     {Kind::kCallEnd, {}, 0, {}, {}, true}};
  for (auto& step : steps) step.delta.tokens = {1};
  steps[5].delta.finish = FinishReason::kStop;
  return steps;
}

struct Outcome {
  std::string stream;
  Ending end;
};

inline Outcome Play(Writer& writer, const std::vector<Step>& steps,
                    const ApiError* error = nullptr) {
  Outcome out;
  Usage usage;
  usage.prompt_tokens = 12;
  usage.cached_tokens = 8;
  out.stream = writer.OnPrompt(0, usage, {});
  for (const auto& step : steps) {
    out.stream += writer.OnDelta(step.delta, step.events);
    usage.completion_tokens += static_cast<uint32_t>(step.delta.tokens.size());
  }
  out.end = error != nullptr ? writer.OnError(*error) : writer.OnEnd(usage);
  out.stream += out.end.text;
  return out;
}

}  // namespace wring::server
