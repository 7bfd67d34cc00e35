#include "server/api/writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/rng.h"
#include "server/api/json_value.h"
#include "server/api/replies.h"

namespace wring::server {
namespace {

using Kind = OutputEvent::Kind;

AnswerInfo Info(bool stream, uint32_t choices = 1) {
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

OutputEvent Event(Kind kind, std::string text) { return {kind, std::move(text), 0, {}, {}, false}; }

// Thinks, says something, calls a tool.
std::vector<Step> Script() {
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

Outcome Play(Writer& writer, const std::vector<Step>& steps, const ApiError* error = nullptr) {
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

void Golden(const std::string& name, const std::string& text) {
  const std::string path = WRING_SOURCE_DIR "/tests/server/api/golden/" + name;
  if (std::getenv("WRING_RECORD") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream recorded;
  recorded << file.rdbuf();
  EXPECT_EQ(text, recorded.str()) << path << ": WRING_RECORD=1 records it anew";
}

constexpr Protocol kProtocols[] = {Protocol::kChat, Protocol::kCompletion, Protocol::kResponses,
                                   Protocol::kMessages};
constexpr const char* kNames[] = {"chat", "completion", "responses", "messages"};

TEST(ApiWriter, StreamsAndWholesAreAsRecorded) {
  const ApiError error = MakeError(504, "the deadline has passed: ask for less");
  for (size_t i = 0; i < std::size(kProtocols); ++i) {
    auto steps = Script();
    for (auto& step : steps) {
      for (const auto& event : step.events) {
        if (event.kind == Kind::kContent) step.delta.text += event.text;
      }
    }
    const std::string name = kNames[i];
    auto writer = MakeWriter(kProtocols[i], Info(true));
    Golden(name + ".sse", Play(*writer, steps).stream);
    writer = MakeWriter(kProtocols[i], Info(false));
    const auto whole = Play(*writer, steps);
    EXPECT_TRUE(whole.end.whole);
    Golden(name + ".json", whole.stream + "\n");
    steps.resize(2);
    writer = MakeWriter(kProtocols[i], Info(true));
    const auto broken = Play(*writer, steps, &error);
    EXPECT_FALSE(broken.end.whole);
    Golden(name + "_error.sse", broken.stream);
    writer = MakeWriter(kProtocols[i], Info(false));
    EXPECT_EQ(Play(*writer, steps, &error).end.status, 504);
    // Before anything was streamed an error is an ordinary answer.
    writer = MakeWriter(kProtocols[i], Info(true));
    EXPECT_TRUE(writer->OnError(error).whole);
  }
}

TokenLogprobs Scored(int32_t id, float logprob, std::vector<TokenScore> top) {
  return {{id, logprob}, std::move(top)};
}

TEST(ApiWriter, ChatLogprobsAndChoicesAreAsRecorded) {
  for (const bool stream : {true, false}) {
    AnswerInfo info = Info(stream, 2);
    info.output.logprobs = 1;
    info.output.continuous_usage = true;
    std::vector<Step> steps(3);
    steps[0].delta.choice = 1;
    steps[0].delta.tokens = {'a', 300};
    steps[0].delta.logprobs = {Scored('a', -0.5F, {{'a', -0.5F}}),
                               Scored(300, -INFINITY, {{'b', -0.25F}})};
    steps[0].events = {Event(Kind::kContent, "a")};
    steps[1].delta.choice = 0;
    steps[1].delta.finish = FinishReason::kLength;
    steps[2].delta.choice = 1;
    steps[2].delta.tokens = {'!'};
    steps[2].delta.logprobs = {Scored('!', -1, {{'!', -1}})};
    steps[2].delta.finish = FinishReason::kStop;
    auto writer = MakeChatWriter(info);
    Golden(stream ? "chat_logprobs.sse" : "chat_logprobs.json", Play(*writer, steps).stream);
  }
}

// What lm-evaluation-harness reads: sums token_logprobs[context:-1] and compares with the largest of top_logprobs.
TEST(ApiWriter, EchoGivesEachPromptTokenItsLogprob) {
  for (const bool stream : {true, false}) {
    AnswerInfo info = Info(stream, 2);
    info.output.echo = true;
    info.output.logprobs = 1;
    auto writer = MakeCompletionWriter(info, {{"abc", {'a', 'b', 'c'}}, {"d", {'d'}}});
    Usage usage;
    usage.prompt_tokens = 3;
    std::string out = writer->OnPrompt(
        0, usage, {Scored('b', -1, {{'x', -0.5F}}), Scored('c', -0.125F, {{'c', -0.125F}})});
    usage.prompt_tokens = 1;
    out += writer->OnPrompt(1, usage, {});
    for (uint32_t choice = 0; choice < 2; ++choice) {
      Delta delta;
      delta.choice = choice;
      delta.text = "e";
      delta.tokens = {'e'};
      delta.logprobs = {Scored('e', -2, {{'f', -1}})};
      delta.finish = FinishReason::kLength;
      out += writer->OnDelta(delta, {});
    }
    usage.prompt_tokens = 4;
    usage.completion_tokens = 2;
    out += writer->OnEnd(usage).text;
    Golden(stream ? "echo.sse" : "echo.json", out);
    if (stream) continue;
    const Json choice = Json::parse(out)["choices"][0];
    EXPECT_EQ(choice["text"], "abce");
    const Json& logprobs = choice["logprobs"];
    EXPECT_EQ(logprobs["tokens"].dump(), R"(["a","b","c","e"])");
    EXPECT_EQ(logprobs["token_logprobs"].dump(), "[null,-1.0,-0.125,-2.0]");
    EXPECT_EQ(logprobs["top_logprobs"][1].dump(), R"({"x":-0.5,"b":-1.0})");
    EXPECT_EQ(logprobs["text_offset"].dump(), "[0,1,2,3]");
  }
}

TEST(ApiWriter, WithNoTokensAskedForOnlyThePromptIsShown) {
  AnswerInfo info = Info(false);
  info.output.echo = info.output.prompt_only = true;
  info.output.logprobs = 0;
  auto writer = MakeCompletionWriter(info, {{"ab", {'a', 'b'}}});
  writer->OnPrompt(0, {}, {Scored('b', -1, {})});
  Delta delta;
  delta.text = "e";
  delta.tokens = {'e'};
  delta.logprobs = {Scored('e', -2, {})};
  delta.finish = FinishReason::kLength;
  writer->OnDelta(delta, {});
  Usage usage;
  usage.completion_tokens = 1;
  const Json whole = Json::parse(writer->OnEnd(usage).text);
  EXPECT_EQ(whole["choices"][0]["text"], "ab");
  EXPECT_EQ(whole["choices"][0]["logprobs"]["tokens"].size(), 2U);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 0);
}

// --- whole and streamed hold the same ---

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

TEST(ApiWriter, AnAnswerThatIsCutSaysSo) {
  auto steps = Script();
  steps.resize(4);  // in the middle of the call
  steps[3].delta.finish = FinishReason::kLength;
  auto chat = MakeChatWriter(Info(false));
  EXPECT_EQ(Json::parse(Play(*chat, steps).stream)["choices"][0]["finish_reason"], "length");
  auto messages = MakeMessagesWriter(Info(false));
  EXPECT_EQ(Json::parse(Play(*messages, steps).stream)["stop_reason"], "max_tokens");
  auto responses = MakeResponsesWriter(Info(false));
  const Json whole = Json::parse(Play(*responses, steps).stream);
  EXPECT_EQ(whole["status"], "incomplete");
  EXPECT_EQ(whole["incomplete_details"]["reason"], "max_output_tokens");
  EXPECT_EQ(whole["output"].back()["status"], "incomplete");
}

TEST(ApiWriter, AStopStringIsNamed) {
  std::vector<Step> steps(1);
  steps[0].events = {Event(Kind::kContent, "a")};
  steps[0].delta.finish = FinishReason::kStop;
  steps[0].delta.stop = "END";
  auto writer = MakeMessagesWriter(Info(false));
  const Json whole = Json::parse(Play(*writer, steps).stream);
  EXPECT_EQ(whole["stop_reason"], "stop_sequence");
  EXPECT_EQ(whole["stop_sequence"], "END");
}

TEST(ApiErrors, HaveEachProtocolsShape) {
  EXPECT_EQ(ErrorBody(Protocol::kChat, MakeError(400, "no", "n")),
            R"({"error":{"message":"no","type":"invalid_request_error","param":"n","code":null}})");
  EXPECT_EQ(ErrorBody(Protocol::kMessages, MakeError(503, "busy")),
            R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})");
  EXPECT_EQ(ErrorFrom(Status(Code::kLimit, "late")).status, 504);
  EXPECT_EQ(ErrorFrom(Status(Code::kCancelled, "gone")).status, 499);
  EXPECT_EQ(ErrorFrom(Status(Code::kInternal, "oh")).status, 500);
  EXPECT_EQ(ErrorFrom(Refusal{Status(Code::kLimit, "load"), 2.5}).retry_after, 2.5);
  EXPECT_EQ(ErrorFrom(Refusal{Status(Code::kLimit, "load"), 2.5}).status, 429);
  EXPECT_EQ(ErrorFrom(Refusal{Status(Code::kLimit, "long"), 0}).code, "context_length_exceeded");
  for (const int status : {400, 401, 403, 404, 408, 413, 429, 499, 500, 503, 504, 418, 599}) {
    EXPECT_FALSE(AnthropicErrorType(status).empty());
  }
}

TEST(ApiReplies, EmbeddingsAreShortenedAndEncoded) {
  EmbeddingCall call;
  call.dimensions = 2;
  const std::vector<std::vector<float>> vectors = {{3, 4, 100}};
  const Json floats = Json::parse(EmbeddingReply(call, "m", vectors, 5));
  EXPECT_NEAR(floats["data"][0]["embedding"][1].get<double>(), 0.8, 1e-6);
  EXPECT_EQ(floats["data"][0]["embedding"].size(), 2U);
  call.dimensions = 0;
  call.base64 = true;
  const Json coded = Json::parse(EmbeddingReply(call, "m", {{1.0F, -2.0F}}, 5));
  EXPECT_EQ(coded["data"][0]["embedding"], "AACAPwAAAMA=");
  EXPECT_EQ(TokenizeReply(std::vector<int32_t>{97, 300}, 9, true, Info(true).token_bytes),
            R"({"count":2,"max_model_len":9,"tokens":[97,300],"token_strs":["a","bytes:\\xc3"]})");
  EXPECT_EQ(DetokenizeReply("x"), R"({"prompt":"x","content":"x"})");
  EXPECT_EQ(ApplyTemplateReply("x"), R"({"prompt":"x"})");
  EXPECT_EQ(CountReply(3), R"({"input_tokens":3})");
}

}  // namespace
}  // namespace wring::server
