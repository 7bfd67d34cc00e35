#include <gtest/gtest.h>

#include "serve/answer.h"
#include "serve/chunk.h"
#include "serve/options.h"
#include "serve/sse.h"
#include "serve/verify.h"

namespace wring::load {
namespace {

std::vector<std::string> Events(std::initializer_list<std::string_view> pieces) {
  SseParser parser;
  std::vector<std::string> events;
  for (const auto piece : pieces) {
    parser.Feed(piece, [&](std::string_view data) { events.emplace_back(data); });
  }
  return events;
}

TEST(LoadSse, SameEventsAtEveryCut) {
  const std::string text =
      ": ping\n\ndata: one\n\nevent: x\ndata:two\r\ndata:  2\r\n\r\ndatabase: no\ndata\n\nid: "
      "7\n\ndata: end\r\rdata: open";
  const std::vector<std::string> expected = {"one", "two\n 2", "", "end"};
  for (size_t a = 0; a <= text.size(); ++a) {
    for (size_t b = a; b <= text.size(); ++b) {
      const std::string_view all = text;
      ASSERT_EQ(Events({all.substr(0, a), all.substr(a, b - a), all.substr(b)}), expected)
          << a << " " << b;
    }
  }
}

TEST(LoadChunk, CountsTokensAsVllmDoes) {
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"text":""}]})", false).token);
  EXPECT_EQ(ReadChunk(R"({"choices":[{"text":"a"}]})", false).text, "a");
  EXPECT_FALSE(
      ReadChunk(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})", true).token);
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"delta":{"content":""}}]})", true).token);
  EXPECT_TRUE(ReadChunk(R"({"choices":[{"delta":{"tool_calls":[{}]}}]})", true).token);
  const auto last = ReadChunk(R"({"choices":[{"delta":{},"finish_reason":"stop"}]})", true);
  EXPECT_FALSE(last.token);
  EXPECT_TRUE(last.finished);
  const auto usage =
      ReadChunk(R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}})", true);
  EXPECT_FALSE(usage.token);
  EXPECT_EQ(usage.completion_tokens, 9U);
  EXPECT_TRUE(ReadChunk("[DONE]", true).done);
  EXPECT_TRUE(ReadChunk("{\"a", true).malformed);
  EXPECT_EQ(ReadChunk(R"({"error":{"message":"m"}})", true).error, "m");
}

const std::string kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

Record Answered(const std::string& bytes, size_t cut, Outcome* outcome) {
  Answer answer(false, true);
  Record record;
  boost::beast::flat_buffer buffer;
  double now = 1;
  for (const auto piece :
       {std::string_view(bytes).substr(0, cut), std::string_view(bytes).substr(cut)}) {
    const auto room = buffer.prepare(piece.size());
    std::copy(piece.begin(), piece.end(), static_cast<char*>(room.data()));
    buffer.commit(piece.size());
    EXPECT_TRUE(answer.Take(buffer, now++, record));
  }
  *outcome = answer.complete() ? answer.Judge(record) : Outcome::kUnfinished;
  return record;
}

TEST(LoadAnswer, WhateverTheCutTheTextIsWholeAndTimesAreThoseOfThePieces) {
  const std::string a = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n",
                    b = "data: {\"choices\":[{\"text\":\"b\"}]}\n\n";
  const std::string done = "data: [DONE]\n\n";
  std::string bytes = kHead;
  for (const auto& chunk : {a, b, done})
    bytes += fmt::format("{:x}\r\n{}\r\n", chunk.size(), chunk);
  bytes += "0\r\n\r\n";
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    Outcome outcome{};
    const Record record = Answered(bytes, cut, &outcome);
    ASSERT_EQ(outcome, Outcome::kOk) << cut;
    ASSERT_EQ(record.text, "ab");
    ASSERT_EQ(record.completion_tokens, 2U);
    for (const double at : record.chunks) ASSERT_TRUE(at == 1 || at == 2);
    if (cut <= kHead.size()) {
      ASSERT_EQ(record.chunks, (std::vector<double>{2, 2}));
    }
  }
}

TEST(LoadAnswer, TellsWhatWentWrong) {
  Outcome outcome{};
  const std::string busy = "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}";
  EXPECT_EQ(Answered(busy, 20, &outcome).retry_after_s, 3);
  EXPECT_EQ(outcome, Outcome::kBusy);
  Answered("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", 3, &outcome);
  EXPECT_EQ(outcome, Outcome::kStatus);
  const std::string cut = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
  Answered(fmt::format("{}{:x}\r\n{}\r\n0\r\n\r\n", kHead, cut.size(), cut), 3, &outcome);
  EXPECT_EQ(outcome, Outcome::kCut);
  Answered(fmt::format("{}{:x}\r\n{}\r\n", kHead, cut.size(), cut), 3, &outcome);
  EXPECT_EQ(outcome, Outcome::kUnfinished);
}

TEST(LoadAnswer, AnEndIsWholeOnlyWhereTheMessageSaysSo) {
  const auto ends = [](std::string_view bytes) {
    Answer answer(false, false);
    Record record;
    boost::beast::flat_buffer buffer;
    std::copy(bytes.begin(), bytes.end(), static_cast<char*>(buffer.prepare(bytes.size()).data()));
    buffer.commit(bytes.size());
    EXPECT_TRUE(answer.Take(buffer, 0, record));
    return answer.End();
  };
  EXPECT_FALSE(ends(""));  // a kept connection that was closed
  EXPECT_FALSE(ends("HTTP/1.1 200"));
  EXPECT_FALSE(ends(kHead));
  EXPECT_FALSE(ends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"));
  EXPECT_TRUE(ends("HTTP/1.1 200 OK\r\n\r\nabc"));  // without a length the end is the end
}

Record Text(uint64_t prompt, std::string text, Outcome outcome) {
  Record r;
  r.job.prompt = prompt;
  r.text = std::move(text);
  r.outcome = outcome;
  return r;
}

TEST(LoadVerify, TextsOfOnePromptMustAgree) {
  Verifier verifier;
  verifier.Add(Text(1, "abc", Outcome::kAbandoned));
  verifier.Add(Text(1, "abcdef", Outcome::kOk));
  verifier.Add(Text(1, "abcd", Outcome::kCut));
  verifier.Add(Text(1, "abcdef", Outcome::kOk));
  verifier.Add(Text(2, "xyz", Outcome::kOk));
  EXPECT_EQ(verifier.verdict().compared, 3U);
  EXPECT_EQ(verifier.verdict().mismatches, 0U);
  verifier.Add(Text(1, "abcdefg", Outcome::kAbandoned));  // longer than the whole
  verifier.Add(Text(1, "abcde", Outcome::kOk));           // whole, but shorter
  verifier.Add(Text(2, "xyw", Outcome::kOk));
  EXPECT_EQ(verifier.verdict().mismatches, 3U);
}

TEST(LoadOptions, LimitsAndAddresses) {
  const auto slo = ParseSlo({"ttft:500", "e2el:2000.5"});
  ASSERT_TRUE(slo.ok());
  EXPECT_DOUBLE_EQ(slo->ttft_ms, 500);
  EXPECT_DOUBLE_EQ(slo->e2el_ms, 2000.5);
  for (const char* wrong : {"ttft", "ttft:", "ttft:x", "ttft:-1", "abc:5", ""})
    EXPECT_FALSE(ParseSlo({wrong}).ok());
  EXPECT_EQ(ParseEndpoint("http://127.0.0.1:81/")->port, 81);
  for (const char* wrong : {"127.0.0.1:80", "https://a:1", "http://a:b", "http://:8",
                            "http://a:1/v1", "http://a:99999"}) {
    EXPECT_FALSE(ParseEndpoint(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace wring::load
