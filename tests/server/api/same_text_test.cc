// Streamed or whole, an answer is the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/rng.h"
#include "server/api/json_value.h"
#include "server/tools/output_parser.h"
#include "steps.h"

namespace wring::server {
namespace {

std::vector<Json> Frames(const std::string& stream) {
  std::vector<Json> out;
  std::istringstream lines(stream);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("data: {", 0) == 0) out.push_back(Json::parse(line.substr(6)));
  }
  return out;
}

// The parts of an answer that text is in: "content", "reasoning", then for each call its name and arguments.
using Parts = std::vector<std::string>;

Parts ChatParts(const std::string& text, bool stream) {
  Parts parts(2);
  const auto add = [&](const Json& message) {
    if (const auto* content = FindText(message, "content")) parts[0] += *content;
    if (const auto* thought = FindText(message, "reasoning_content")) parts[1] += *thought;
    const Json* calls = FindMember(message, "tool_calls");
    for (const auto& call : calls != nullptr ? *calls : Json::array()) {
      if (call.contains("id")) parts.push_back(call["function"]["name"].get<std::string>() + ":");
      parts.back() += call["function"]["arguments"].get<std::string>();
    }
  };
  if (!stream) {
    add(Json::parse(text)["choices"][0]["message"]);
    return parts;
  }
  for (const auto& frame : Frames(text)) {
    if (!frame["choices"].empty()) add(frame["choices"][0]["delta"]);
  }
  return parts;
}

Parts MessagesParts(const std::string& text, bool stream) {
  Parts parts(2);
  const auto add = [&](const Json& part, bool whole) {
    const std::string type = part["type"];
    if (type == "text" || type == "text_delta") parts[0] += part["text"].get<std::string>();
    if (type == "thinking" || type == "thinking_delta") {
      parts[1] += part["thinking"].get<std::string>();
    }
    if (type == "tool_use") {
      parts.push_back(part["name"].get<std::string>() + ":");
      if (whole) parts.back() += part["input"].dump();
    }
    if (type == "input_json_delta") parts.back() += part["partial_json"].get<std::string>();
  };
  if (!stream) {
    const Json whole = Json::parse(text);
    for (const auto& block : whole["content"]) add(block, true);
    return parts;
  }
  int open = -1;
  for (const auto& frame : Frames(text)) {
    if (frame["type"] == "content_block_start") {
      EXPECT_EQ(open, -1);
      open = frame["index"];
      add(frame["content_block"], false);
    } else if (frame["type"] == "content_block_delta") {
      EXPECT_EQ(frame["index"], open);
      add(frame["delta"], false);
    } else if (frame["type"] == "content_block_stop") {
      EXPECT_EQ(frame["index"], open);
      open = -1;
    }
  }
  return parts;
}

Parts ResponsesParts(const std::string& text, bool stream) {
  Parts parts(2);
  if (!stream) {
    const Json whole = Json::parse(text);
    for (const auto& item : whole["output"]) {
      if (item["type"] == "message") parts[0] += item["content"][0]["text"].get<std::string>();
      if (item["type"] == "reasoning") parts[1] += item["content"][0]["text"].get<std::string>();
      if (item["type"] == "function_call") {
        parts.push_back(item["name"].get<std::string>() + ":" +
                        item["arguments"].get<std::string>());
      }
    }
    return parts;
  }
  int number = 0;
  for (const auto& frame : Frames(text)) {
    EXPECT_EQ(frame["sequence_number"], number++);
    const std::string type = frame["type"];
    if (type == "response.output_text.delta") parts[0] += frame["delta"].get<std::string>();
    if (type == "response.reasoning_text.delta") parts[1] += frame["delta"].get<std::string>();
    if (type == "response.output_item.added" && frame["item"]["type"] == "function_call") {
      parts.push_back(frame["item"]["name"].get<std::string>() + ":");
    }
    if (type == "response.function_call_arguments.delta") {
      parts.back() += frame["delta"].get<std::string>();
    }
    if (type == "response.completed") {
      EXPECT_EQ(ResponsesParts(frame["response"].dump(), false), parts);
    }
  }
  return parts;
}

std::vector<Step> RandomScript(uint32_t seed) {
  uint32_t counter = 0;
  const auto draw = [&](uint32_t below) { return Philox({counter++, seed, 0, 0}, 2)[0] % below; };
  std::vector<Step> steps(draw(12) + 1);
  uint32_t calls = 0;
  for (auto& step : steps) {
    step.delta.tokens.assign(draw(3), 7);
    for (uint32_t k = draw(4); k > 0; --k) {
      const std::string text = fmt::format("{}\"\\\n\xE2\x82\xAC", draw(100));
      switch (draw(3)) {
        case 0: step.events.push_back(Event(Kind::kContent, text)); break;
        case 1: step.events.push_back(Event(Kind::kReasoning, text)); break;
        default:
          step.events.push_back(
              {Kind::kCallBegin, {}, calls, fmt::format("c{}", calls), "f", false});
          step.events.push_back(
              {Kind::kCallArguments, fmt::format("{{\"x\":{}", draw(9)), calls, {}, {}, false});
          step.events.push_back({Kind::kCallArguments, "}", calls, {}, {}, false});
          step.events.push_back({Kind::kCallEnd, {}, calls++, {}, {}, true});
      }
    }
  }
  steps.back().delta.finish = FinishReason::kStop;
  return steps;
}

TEST(ApiWriter, WholeAndStreamedHoldTheSameText) {
  const struct {
    Protocol protocol;
    Parts (*parts)(const std::string&, bool);
  } rows[] = {{Protocol::kChat, ChatParts},
              {Protocol::kMessages, MessagesParts},
              {Protocol::kResponses, ResponsesParts}};
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const auto steps = RandomScript(seed);
    for (const auto& row : rows) {
      auto streaming = MakeWriter(row.protocol, Info(true));
      auto whole = MakeWriter(row.protocol, Info(false));
      const Parts streamed = row.parts(Play(*streaming, steps).stream, true);
      ASSERT_EQ(streamed, row.parts(Play(*whole, steps).stream, false)) << seed;
    }
  }
}

// With the parser that writes the events, wherever the model's text is cut.
TEST(ApiWriter, AModelsCallsComeThroughHoweverTheyAreCut) {
  const std::string text =
      "<think>\nhm \xE2\x82\xAC\n</think>\n\nLook:\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
      "{\"x\": [1, \"</tool_call>\"]}}\n</tool_call>";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    uint32_t ids = 0;
    auto parser = MakeOutputParser(
        {CallFormat::kHermes, {"f"}, [&] { return fmt::format("call_{}", ids++); }, true, false});
    std::vector<Step> steps;
    for (size_t at = 0, end = 0; at < text.size(); at = end) {
      end = std::min(text.size(), at + piece);
      while (end < text.size() && (text[end] & 0xC0) == 0x80) ++end;  // deltas are whole characters
      steps.emplace_back();
      parser->Push(std::string_view(text).substr(at, end - at), steps.back().events);
    }
    parser->Finish(steps.back().events);
    steps.back().delta.finish = FinishReason::kStop;
    const Parts expected = {"Look:", "hm \xE2\x82\xAC", R"(f:{"x": [1, "</tool_call>"]})"};
    for (const bool stream : {true, false}) {
      auto writer = MakeChatWriter(Info(stream));
      ASSERT_EQ(ChatParts(Play(*writer, steps).stream, stream), expected) << piece;
    }
  }
}

}  // namespace
}  // namespace wring::server
