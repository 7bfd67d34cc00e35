// What a client that is slow, greedy, hostile or gone can and cannot do.
#include <atomic>

#include "server/client.h"
#include "server/http/event_stream.h"

namespace wring::server {
namespace {

using LimitsTest = ServerTest;

TEST_F(LimitsTest, MalformedRequestsGetOneJsonError) {
  Start();
  const std::string_view smuggled =
      "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  const std::pair<std::string, int> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400},
      {fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\n{}", smuggled), 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: "
       "3\r\n\r\n0\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nX: y\r\n Content-Length: 3\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nX: y\r\n\tContent-Length: 3\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", 501},
      {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"\r\nabc", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;x=\"\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    auto client = Connect();
    const auto answer = client.Ask(bytes).Read();
    EXPECT_EQ(answer.status, status) << bytes << answer.body;
    EXPECT_TRUE(answer.body.starts_with("{\"error\":{\"message\":\"")) << answer.body;
    EXPECT_NE(answer.body.find("\"param\":null,\"code\":\""), std::string::npos);
    EXPECT_TRUE(answer.Has("Connection: close"));
    EXPECT_TRUE(client.AtEnd());
    EXPECT_EQ(client.got(), "") << "something after the one answer";
  }
}

TEST_F(LimitsTest, HeadersAndBodiesAreBounded) {
  options_.limits.header_bytes = 1000;
  options_.limits.body_bytes = 5000;
  Start();
  EXPECT_EQ(Ask(Get("/path", "X: " + std::string(900, 'x') + "\r\n")).status, 200);
  EXPECT_EQ(Ask(Get("/path", "X: " + std::string(1000, 'x') + "\r\n")).status, 431);
  EXPECT_EQ(Ask(Get("/path", "X: " + std::string(100'000, 'x'))).status, 431);
  EXPECT_EQ(Ask("GET /" + std::string(100'000, 'x')).status, 431);
  std::string many;
  for (int i = 0; i < 500; ++i) many += fmt::format("X-{}: 1\r\n", i);
  EXPECT_EQ(Ask(Get("/path", many)).status, 431);
  EXPECT_EQ(Ask(Post("/echo", std::string(5000, 'x'))).body.size(), 5000u);
  EXPECT_EQ(Ask(Post("/echo", std::string(5001, 'x'))).status, 413);
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string chunks = chunked;
  for (int i = 0; i < 6; ++i) chunks += "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(Ask(chunks).status, 413);
  const std::string line(5000, 'x');
  EXPECT_EQ(Ask(chunked + "1;" + std::string(50'000, 'x')).status, 400);
  EXPECT_EQ(Ask(chunked + "1;" + line + "\r\na\r\n0\r\n\r\n").status, 400);
  EXPECT_EQ(Ask(chunked + "0\r\nX: " + line + "\r\n\r\n").status, 400);
}

TEST_F(LimitsTest, BodiesTogetherAreBounded) {
  options_.limits.bodies_bytes = 100'000;
  Start();
  auto first = Connect();
  first.Send(Post("/echo", std::string(90'000, 'x')).substr(0, 85'000));
  std::this_thread::sleep_for(milliseconds(50));
  auto second = Connect();
  second.Send(Post("/echo", std::string(90'000, 'x')).substr(0, 85'000));
  EXPECT_EQ(second.Read().status, 503);
  second.Close();
  EXPECT_EQ(Ask(Post("/echo", "small")).body, "small");
  first.Close();
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  EXPECT_EQ(Ask(Post("/echo", std::string(90'000, 'x'))).status, 200);
}

TEST_F(LimitsTest, SlowSendersTimeOut) {
  options_.limits.header_time = milliseconds(40);
  options_.limits.body_time = milliseconds(40);
  Start();
  EXPECT_EQ(Ask("GET / HT").status, 408);
  EXPECT_EQ(Ask(Post("/echo", "body").substr(0, 50)).status, 408);
  EXPECT_EQ(Ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").status, 408);
  // One byte now and then does not help.
  auto client = Connect();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  client.Send("GET /path HTTP/1.1\r\nX: ");
  while (server_->counts().refused < 4 && std::chrono::steady_clock::now() < end) {
    client.Send("x");
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(server_->counts().refused, 4u);
}

TEST_F(LimitsTest, IdleConnectionsAreClosedWithoutAWord) {
  options_.limits.idle_time = milliseconds(30);
  Start();
  auto fresh = Connect();
  EXPECT_TRUE(fresh.AtEnd());
  EXPECT_EQ(fresh.got(), "");
  auto used = Connect();
  EXPECT_EQ(used.Ask(Get("/path")).Read().status, 200);
  EXPECT_TRUE(used.AtEnd());
  EXPECT_EQ(used.got(), "");
}

TEST_F(LimitsTest, WorkTakesAsLongAsItTakes) {
  options_.limits.idle_time = options_.limits.header_time = options_.limits.body_time =
      options_.limits.write_time = milliseconds(20);
  Start();
  auto client = Connect();
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_FALSE(exchange->gone());
  exchange->Send({200, "text/plain", "late", {}});
  EXPECT_EQ(client.Read().body, "late");
}

TEST_F(LimitsTest, TooManyConnectionsAreToldSo) {
  options_.limits.connections = 2;
  Start();
  auto one = Connect();
  auto two = Connect();
  EXPECT_EQ(one.Ask(Get("/path")).Read().status, 200);
  EXPECT_EQ(two.Ask(Get("/path")).Read().status, 200);
  const auto refused = Ask(Get("/path"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.Has("Retry-After"));
  one.Close();
  EXPECT_TRUE(Eventually([&] { return Ask(Get("/path")).status == 200; }));
}

TEST_F(LimitsTest, SlowReadersAreCutAndMemoryIsBounded) {
  Start();
  auto client = Connect(4096);
  client.Send(Get("/stream"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  std::atomic<int> gone{0};
  exchange->OnGone([&] { ++gone; });
  exchange->Begin(EventStreamReply());
  const size_t before = ResidentBytes();
  const std::string piece(1000, 'x');
  size_t written = 0;
  while (written < (size_t{1} << 30) && exchange->Write(piece)) {
    written += piece.size();
    if (written % 100'000 == 0) std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_LT(written, size_t{64} << 20) << "a client that never reads was fed for ever";
  EXPECT_TRUE(exchange->gone());
  EXPECT_FALSE(exchange->Write("x"));
  EXPECT_TRUE(Eventually([&] { return gone == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  EXPECT_EQ(server_->counts().slow, 1u);
  EXPECT_LT(ResidentBytes() - std::min(before, ResidentBytes()), size_t{16} << 20);
}

TEST_F(LimitsTest, WritesThatMakeNoProgressEnd) {
  options_.limits.write_time = milliseconds(50);
  Start();
  auto client = Connect(4096);
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->Send({200, "text/plain", std::string(32 << 20, 'x'), {}});
  EXPECT_TRUE(Eventually([&] { return server_->counts().slow == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
}

// In each state, by an orderly end and by a reset.
TEST_F(LimitsTest, DisconnectsAreNoticed) {
  Start();
  for (const bool reset : {false, true}) {
    for (const std::string state : {"idle", "head", "body", "held", "pipelined", "stream"}) {
      SCOPED_TRACE(state);
      auto client = Connect();
      std::atomic<int> gone{0};
      std::shared_ptr<Exchange> exchange;
      if (state == "head") client.Send("GET / HT");
      if (state == "body") client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab");
      if (state == "held" || state == "stream") client.Send(Get("/held"));
      if (state == "pipelined") client.Send(Get("/held") + Get("/next"));
      if (state == "held" || state == "stream" || state == "pipelined") {
        exchange = Take();
        ASSERT_TRUE(exchange);
        exchange->OnGone([&] { ++gone; });
      }
      if (state == "stream") {
        exchange->Begin(EventStreamReply());
        exchange->Write(Event("x"));
        EXPECT_TRUE(client.ReceiveUntil("data: x\n\n"));
      }
      EXPECT_TRUE(Eventually([&] { return server_->counts().open == 1; }));
      EXPECT_EQ(gone, 0);
      if (reset) {
        client.Reset();
      } else {
        client.Close();
      }
      EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
      if (!exchange) continue;
      EXPECT_TRUE(Eventually([&] { return gone == 1; }));
      EXPECT_TRUE(exchange->gone());
      EXPECT_FALSE(exchange->Write("x"));
      exchange->OnGone([&] { ++gone; });
      EXPECT_EQ(gone, 2) << "at once when the client has already gone";
      EXPECT_EQ(Held(), 0u) << "a request of a client that has gone was begun";
    }
  }
}

TEST_F(LimitsTest, AResetIsNoticedBehindManyPipelinedBytes) {
  Start();
  auto client = Connect();
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  client.Send(std::string(64 << 10, 'x'));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(exchange->gone());
  client.Reset();
  EXPECT_TRUE(Eventually([&] { return exchange->gone(); }));
}

TEST_F(LimitsTest, OnGoneIsNeverCalledAfterTheAnswer) {
  Start();
  std::atomic<int> gone{0};
  auto client = Connect();
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  exchange->OnGone([&] { ++gone; });
  exchange->Send({200, "text/plain", "x", {}});
  EXPECT_EQ(client.Read().body, "x");
  client.Close();
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  exchange->OnGone([&] { ++gone; });
  EXPECT_EQ(gone, 0);
}

TEST_F(LimitsTest, DrainLetsRequestsEnd) {
  Start();
  auto idle = Connect();
  EXPECT_EQ(idle.Ask(Get("/path")).Read().status, 200);
  auto busy = Connect();
  busy.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  std::atomic<int> drained{-1};
  std::thread drain([&] { drained = server_->Drain(kPatience) ? 1 : 0; });
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_FALSE(Connect().connected());
  EXPECT_EQ(drained, -1);
  exchange->Send({200, "text/plain", "done", {}});
  const auto answer = busy.Read();
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.Has("Connection: close"));
  busy.Close();
  drain.join();
  EXPECT_EQ(drained, 1);
}

TEST_F(LimitsTest, DrainCutsWhatDoesNotEnd) {
  Start();
  auto client = Connect();
  client.Send(Get("/held"));
  auto exchange = Take();
  ASSERT_TRUE(exchange);
  std::atomic<int> gone{0};
  exchange->OnGone([&] { ++gone; });
  EXPECT_FALSE(server_->Drain(milliseconds(20)));
  EXPECT_EQ(gone, 1);
  EXPECT_TRUE(client.AtEnd());
  server_.reset();
  EXPECT_FALSE(exchange->Write("after the server's end"));
  exchange->Send({200, "text/plain", "", {}});
}

// An impatient operator: one thread drains, another stops. Both joined the I/O thread, and one of them for good.
TEST_F(LimitsTest, StopEndsAnothersDrain) {
  for (int i = 0; i < 50; ++i) {
    Start();
    auto client = Connect();
    client.Send(Get("/held"));
    auto exchange = Take();
    ASSERT_TRUE(exchange);
    std::atomic<bool> drained{false};
    std::thread drain([&] {
      server_->Drain(10 * kPatience);
      drained = true;
    });
    EXPECT_TRUE(Eventually([&] { return !Connect().connected(); }));
    server_->Stop();
    EXPECT_TRUE(Eventually([&] { return drained.load(); }));
    drain.join();
  }
}

}  // namespace
}  // namespace wring::server
