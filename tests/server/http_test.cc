// What a well-behaved client gets: framing, keep-alive, pipelining, streams.
#include "server/client.h"
#include "server/http/event_stream.h"

namespace wring::server {
namespace {

using HttpTest = ServerTest;

TEST_F(HttpTest, AnswersAndKeepsTheConnection) {
  Start();
  auto client = Connect();
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Ask(Post("/echo", fmt::format("body {}", i))).Read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, fmt::format("body {}", i));
    EXPECT_TRUE(answer.Has("Content-Type: text/plain\r\n"));
    EXPECT_FALSE(answer.Has("Connection:"));
  }
  EXPECT_EQ(server_->counts().accepted, 1u);
  EXPECT_EQ(server_->counts().requests, 3u);
}

TEST_F(HttpTest, DecodesPathsAndSplitsOffTheQuery) {
  Start();
  EXPECT_EQ(Ask(Get("/path")).body, "GET /path?");
  EXPECT_EQ(Ask(Get("/p%61th?a=%20b&c")).body, "GET /path?a=%20b&c");
  EXPECT_EQ(Ask(Get("http://other:80/path?x")).body, "GET /path?x");
  EXPECT_EQ(Ask(Get("/path%")).status, 400);
  EXPECT_EQ(Ask(Get("/path%0")).status, 400);
  EXPECT_EQ(Ask(Get("/path%zz")).status, 400);
  EXPECT_EQ(Ask(Get("/path%00")).status, 400);
  EXPECT_EQ(Ask(Get("path")).status, 400);
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrderOneAtATime) {
  Start();
  auto client = Connect();
  client.Send(Get("/1") + Get("/2") + Post("/3", "three"));
  for (const char* path : {"/1", "/2", "/3"}) {
    auto exchange = Take();
    ASSERT_TRUE(exchange);
    EXPECT_EQ(exchange->request().path, path);
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_EQ(Held(), 0u) << "the next request was begun before this one was answered";
    EXPECT_FALSE(exchange->gone()) << "pipelined bytes were taken for the client's end";
    exchange->Send({200, "text/plain", path, {}});
    EXPECT_EQ(client.Read().body, path);
  }
}

TEST_F(HttpTest, ChunkedRequestsWithExtensionsAndTrailers) {
  Start();
  auto client = Connect();
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n");
  EXPECT_EQ(client.Read().body, "hello world");
  EXPECT_EQ(client.Ask(Get("/path")).Read().status, 200);
}

TEST_F(HttpTest, TrailersAreNoHeaders) {
  Start();
  auto client = Connect();
  client.Send(
      "POST /held HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\nAuthorization: Bearer x\r\n\r\n");
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  EXPECT_EQ(exchange->request().Header("authorization"), "");
  EXPECT_EQ(exchange->request().Header("host"), "h");
}

TEST_F(HttpTest, ExpectContinue) {
  Start();
  auto client = Connect();
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  EXPECT_EQ(client.Ask("ok").Read().body, "ok");
  EXPECT_EQ(Ask(Post("/echo", "x", "Expect: a miracle\r\n")).status, 417);
}

TEST_F(HttpTest, TooLargeIsRefusedBeforeTheBodyIsSent) {
  options_.limits.body_bytes = 10;
  Start();
  auto client = Connect();
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read().status, 413);
}

TEST_F(HttpTest, HeadHasNoBody) {
  Start();
  auto client = Connect();
  client.Send("HEAD /path HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto answer = client.Read(true);
  EXPECT_TRUE(answer.Has("Content-Length: 11\r\n")) << answer.head;
  client.Send("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Begin(EventStreamReply());
  EXPECT_TRUE(exchange->Write("never sent"));
  exchange->End();
  EXPECT_EQ(client.Read(true).status, 200);
  EXPECT_EQ(client.Ask(Get("/path")).Read().body, "GET /path?");
}

TEST_F(HttpTest, StreamsInPieces) {
  Start();
  auto client = Connect();
  client.Send(Get("/stream"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Begin(EventStreamReply());
  EXPECT_TRUE(exchange->Write(Event("one")));
  EXPECT_TRUE(client.ReceiveUntil("data: one\n\n")) << "a piece waits for the next";
  EXPECT_TRUE(exchange->Write(Event("two")));
  EXPECT_TRUE(exchange->Write(""));
  exchange->End();
  const auto answer = client.Read();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "data: one\n\ndata: two\n\n");
  EXPECT_FALSE(exchange->Write("late"));
  EXPECT_EQ(client.Ask(Get("/path")).Read().status, 200) << "the connection goes on";
}

TEST_F(HttpTest, Http10StreamsUntilTheEnd) {
  Start();
  auto client = Connect();
  client.Send("GET /stream HTTP/1.0\r\n\r\n");
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Begin({200, "text/plain", "a", {}});
  exchange->Write("b");
  exchange->End();
  const auto answer = client.Read();
  EXPECT_FALSE(answer.Has("chunked"));
  EXPECT_EQ(answer.body, "ab");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpTest, Http10KeepsAliveWhenAsked) {
  Start();
  auto client = Connect();
  for (int i = 0; i < 2; ++i) {
    const auto answer = client.Ask("GET /path HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").Read();
    EXPECT_TRUE(answer.Has("Connection: keep-alive\r\n"));
  }
  EXPECT_FALSE(client.Ask("GET /path HTTP/1.0\r\n\r\n").Read().Has("keep-alive"));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpTest, ClosesWhenTheClientSaysSo) {
  Start();
  auto client = Connect();
  EXPECT_TRUE(client.Ask(Get("/path", "Connection: close\r\n")).Read().Has("Connection: close"));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpTest, HandlersThatFailAreErrors) {
  Start();
  auto client = Connect();
  for (const char* path : {"/drop", "/throw"}) {
    const auto answer = client.Ask(Get(path)).Read();
    EXPECT_EQ(answer.status, 500);
    EXPECT_NE(answer.body.find(R"("type":"server_error","param":null,"code":"no_answer"}})"),
              std::string::npos)
        << answer.body;
  }
  client.Send(Get("/half"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Begin({200, "text/plain", "half", {}});
  exchange.reset();
  EXPECT_FALSE(client.Read().whole) << "half an answer passed for a whole one";
}

TEST_F(HttpTest, AnswersAreSafeAgainstSplitting) {
  Start();
  auto client = Connect();
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Send({200, "text/plain", "x", {{"X-A", "1\r\nX-Evil: 2"}, {"Bad\r\nName", "3"}}});
  exchange->Send({500, "text/plain", "a second answer", {}});
  const auto answer = client.Read();
  EXPECT_FALSE(answer.Has("\r\nX-Evil"));
  EXPECT_FALSE(answer.Has("Name"));
  EXPECT_EQ(answer.body, "x");
  EXPECT_EQ(client.Ask(Get("/path")).Read().body, "GET /path?");
}

TEST_F(HttpTest, LargeAnswersArriveWhole) {
  options_.limits.body_bytes = 32 << 20;
  Start();
  std::string body(20 << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>('a' + i % 26);
  auto client = Connect();
  std::thread sender([&] { client.Send(Post("/echo", body)); });
  sender.join();
  const auto answer = client.Read();
  EXPECT_TRUE(answer.whole);
  EXPECT_TRUE(answer.body == body);
}

TEST_F(HttpTest, SilentEventStreamsGetComments) {
  options_.limits.ping_time = milliseconds(30);
  Start();
  auto client = Connect();
  client.Send(Get("/stream"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Begin(EventStreamReply());
  EXPECT_TRUE(client.ReceiveUntil(": ping\n\n"));
  exchange->Write(Event("x"));
  exchange->End();
  EXPECT_NE(client.Read().body.find(": ping\n\ndata: x\n\n"), std::string::npos);
}

TEST(EventStream, NoTextEndsAnEventEarly) {
  EXPECT_EQ(Event("a"), "data: a\n\n");
  EXPECT_EQ(Event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(Event("\n\n"), "data: \ndata: \ndata: \n\n");
  EXPECT_EQ(Event("x", "na\nme"), "event: na\ndata: x\n\n");
}

TEST(HttpListen, Addresses) {
  const auto handler = [](std::shared_ptr<Exchange> x) { x->Send({200, "a/b", "hi", {}}); };
  for (const char* bad :
       {"", "8080", "host.example:80", "1.2.3.4:70000", "1.2.3.4:", "::1:80", "unix:"}) {
    EXPECT_FALSE(HttpServer::Listen({{bad}, {}}, handler).ok()) << bad;
  }
  const auto path = fmt::format("{}/wring-{}.sock", ::testing::TempDir(), getpid());
  auto server = HttpServer::Listen({{"127.0.0.1:0", "unix:" + path}, {}}, handler);
  ASSERT_TRUE(server.ok()) << server.status().message();
  EXPECT_EQ((*server)->addresses()[1], "unix:" + path);
  EXPECT_EQ((*server)->addresses()[0], fmt::format("127.0.0.1:{}", (*server)->port()));
  EXPECT_FALSE(HttpServer::Listen({{(*server)->addresses()[0]}, {}}, handler).ok()) << "taken";
  EXPECT_FALSE(HttpServer::Listen({{"unix:" + path}, {}}, handler).ok()) << "taken";
  EXPECT_EQ(Client((*server)->port()).Ask(Get("/")).Read().body, "hi");
  (*server)->Stop();
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "the socket's file is left";
  auto local = HttpServer::Listen({{"[::1]:0"}, {}}, handler);
  if (local.ok()) {  // not every machine has IPv6
    EXPECT_EQ((*local)->addresses()[0].find("[::1]:"), 0u);
  }
}

}  // namespace
}  // namespace wring::server
