#include "server/api/writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "server/api/json_value.h"
#include "server/api/parse.h"
#include "server/api/replies.h"
#include "steps.h"

namespace wring::server {
namespace {

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

// Tools have every member that clients read, given or not.
TEST(ApiWriter, AResponseRepeatsItsRequest) {
  const auto call = ParseResponses(
      R"({"input":"x","instructions":"i","temperature":0.5,"max_output_tokens":9,)"
      R"("metadata":{"a":"b"},"reasoning":{"effort":"low"},"tool_choice":{"type":"function","name":"f"},)"
      R"("tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}]})",
      {});
  ASSERT_TRUE(call.ok()) << call.error().message;
  AnswerInfo info = Info(false);
  info.echo = call->echo;
  auto writer = MakeResponsesWriter(info);
  Golden("responses_echo.json", Play(*writer, Script()).stream + "\n");
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
