// Many clients, bytes in odd pieces and bytes that are no requests; a system that has nothing left.
#include <sys/resource.h>

#include <ctime>
#include <random>

#include "server/client.h"
#include "server/http/event_stream.h"

namespace wring::server {
namespace {

using HostileTest = ServerTest;

void AllowManyDescriptors() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_F(HostileTest, NoDescriptorsLeftIsSurvived) {
  Start();
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  auto used = Connect();
  EXPECT_EQ(used.Ask(Get("/path")).Read().status, 200);
  auto waiting = Connect();  // its server side may or may not be accepted yet
  EXPECT_EQ(waiting.Ask(Get("/path")).Read().status, 200);
  const int next = ::dup(0);
  // The client's descriptor is the last one there is; the server gets none.
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next) + 1;
  ::close(next);
  setrlimit(RLIMIT_NOFILE, &tight);
  auto late = Connect();
  EXPECT_TRUE(late.connected());
  late.Send(Get("/path"));
  timespec cpu_before = {};
  timespec cpu_after = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
  std::this_thread::sleep_for(milliseconds(300));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
  EXPECT_EQ(used.Ask(Get("/path")).Read().status, 200) << "others are served meanwhile";
  const double cpu = static_cast<double>(cpu_after.tv_sec - cpu_before.tv_sec) +
                     static_cast<double>(cpu_after.tv_nsec - cpu_before.tv_nsec) / 1e9;
  EXPECT_LT(cpu, 0.15) << "it spins";
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(late.Read().status, 200);
}

TEST_F(HostileTest, ARequestCutAnywhereIsTheSameRequest) {
  Start();
  const std::string chunked =
      "POST /echo?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n";
  auto client = Connect();
  for (const auto& bytes : {Post("/echo", "hello world"), chunked}) {
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
      client.Send(bytes.substr(0, cut));
      std::this_thread::sleep_for(std::chrono::microseconds(300));
      client.Send(bytes.substr(cut));
      ASSERT_EQ(client.Read().body, "hello world") << cut;
    }
  }
}

TEST_F(HostileTest, ARequestByteByByteIsTheSameRequest) {
  Start();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  auto client = Connect();
  for (const std::string chunks : {"", "1\r\na\r\n", "2;x=\"y\"\r\n0\r\r\n"}) {
    for (const std::string last : {"0\r\n\r\n", "00;x\r\n\r\n", "0\r\nA: b\r\n\r\n"}) {
      for (const char c : head + chunks + last) {
        client.Send(std::string(1, c));
        std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
      const auto answer = client.Read();
      ASSERT_EQ(answer.status, 200) << chunks << last;
      ASSERT_EQ(answer.body, chunks.empty() ? "" : chunks[0] == '1' ? "a" : "0\r");
    }
  }
}

TEST_F(HostileTest, TruncatedAnywhereDoesNoHarm) {
  Start();
  const std::string bytes = Post("/echo", "hello", "Expect: 100-continue\r\n");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    auto client = Connect();
    client.Send(bytes.substr(0, cut));
    if (cut % 2 == 0) client.EndSending();
    if (cut % 2 == 0) {
      EXPECT_TRUE(client.AtEnd()) << cut;
    }
  }
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  EXPECT_EQ(server_->counts().requests, 0u);
  EXPECT_EQ(Ask(Get("/path")).status, 200);
}

TEST_F(HostileTest, GarbageDoesNoHarm) {
  options_.limits.linger_time = milliseconds(20);
  Start();
  std::mt19937 random(7);
  const std::string valid = Post("/echo", "hello") + Get("/path");
  for (int round = 0; round < 300; ++round) {
    auto client = Connect();
    std::string bytes = valid;
    if (round % 3 == 0) {
      bytes.resize(random() % 5000);
      for (char& c : bytes) c = static_cast<char>(random());
    } else {  // a few bytes of something valid
      for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    client.Send(bytes);
    if (round % 2 == 0) client.Reset();
  }
  {
    std::lock_guard lock(mutex_);
    held_.clear();
  }
  EXPECT_EQ(Ask(Post("/echo", "still here")).body, "still here");
}

TEST_F(HostileTest, ManyStreamsAtOnce) {
  AllowManyDescriptors();
  Start();
  constexpr size_t kStreams = 500;
  const size_t before = ResidentBytes();
  std::vector<Client> clients;
  std::vector<std::shared_ptr<Exchange>> exchanges;
  for (size_t i = 0; i < kStreams; ++i) {
    clients.push_back(Connect());
    ASSERT_TRUE(clients.back().Send(Post("/stream", std::string(500, 'p'))));
  }
  for (size_t i = 0; i < kStreams; ++i) {
    exchanges.push_back(Take());
    ASSERT_TRUE(exchanges.back());
    exchanges.back()->Begin(EventStreamReply());
  }
  // From two threads, a token to each in turn, as an engine does.
  constexpr int kTokens = 40;
  const auto write = [&](size_t first) {
    for (int token = 0; token < kTokens; ++token) {
      for (size_t i = first; i < kStreams; i += 2) exchanges[i]->Write(Event("token"));
      std::this_thread::sleep_for(milliseconds(2));
    }
  };
  std::thread other(write, 1);
  write(0);
  other.join();
  const size_t grown = ResidentBytes() - std::min(before, ResidentBytes());
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(grown, kStreams * (64 << 10));
#endif
  RecordProperty("bytes_a_stream", static_cast<int>(grown / kStreams));
  for (auto& exchange : exchanges) exchange->End();
  for (auto& client : clients) {
    const auto answer = client.Read();
    ASSERT_TRUE(answer.whole);
    ASSERT_EQ(answer.body.size(), kTokens * Event("token").size());
  }
  const auto pulse = server_->pulse().Read();
  EXPECT_GT(pulse.count, 0u);
  RecordProperty("late_p99_us", static_cast<int>(pulse.Percentile(0.99)));
}

TEST(Pulse, Percentiles) {
  Pulse pulse;
  EXPECT_EQ(pulse.Read().Percentile(0.99), 0u);
  for (int i = 0; i < 98; ++i) pulse.Record(std::chrono::microseconds(150));
  pulse.Record(milliseconds(15));
  pulse.Record(milliseconds(900));
  const auto reading = pulse.Read();
  EXPECT_EQ(reading.count, 100u);
  EXPECT_EQ(reading.max_us, 900'000u);
  EXPECT_EQ(reading.Percentile(0.5), 200u);
  EXPECT_EQ(reading.Percentile(0.99), 20'000u);
  EXPECT_EQ(reading.Percentile(1), 900'000u);
}

}  // namespace
}  // namespace wring::server
