#include "server/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

namespace wring::server {
namespace {

using std::chrono::seconds;

HttpRequest With(const std::string& header, const std::string& value) {
  HttpRequest request;
  request.headers[header] = value;
  return request;
}

std::string NameOf(const ApiKey* key) { return key == nullptr ? "" : key->name; }

// The second is the SHA-256 of "abc" from FIPS 180.
constexpr const char* kTwo = R"([
  {"name": "alice", "key": "wr-alice-1234", "admin": true, "priority": 5, "cache_salt": "s"},
  {"name": "abc", "key_sha256": "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
   "requests_per_minute": 60, "tokens_per_minute": 6000, "max_concurrent": 2}])";

TEST(Keys, FindsByEitherHeader) {
  const auto keys = ApiKeys::Parse(kTwo, "keys.json");
  ASSERT_TRUE(keys.ok()) << keys.status().message();
  EXPECT_EQ(NameOf(keys->Find(With("authorization", "Bearer wr-alice-1234"))), "alice");
  EXPECT_EQ(NameOf(keys->Find(With("authorization", "bearer   wr-alice-1234"))), "alice");
  EXPECT_EQ(NameOf(keys->Find(With("x-api-key", "wr-alice-1234"))), "alice");
  EXPECT_EQ(NameOf(keys->Find(With("x-api-key", "abc"))), "abc");
  for (const char* bad : {"Bearer wr-alice-123", "Bearer wr-alice-12345", "Bearer ", "Bearer", "",
                          "Basic wr-alice-1234", "wr-alice-1234"}) {
    EXPECT_EQ(keys->Find(With("authorization", bad)), nullptr) << bad;
  }
  EXPECT_EQ(keys->Find(HttpRequest()), nullptr);
  EXPECT_TRUE(keys->keys()[0].admin);
  EXPECT_EQ(keys->keys()[0].priority, 5);
  EXPECT_EQ(keys->keys()[0].cache_salt, "s");
  EXPECT_EQ(keys->keys()[1].tokens_per_minute, 6000u);
}

TEST(Keys, ErrorsNameThePlaceAndNoKey) {
  const std::pair<const char*, const char*> cases[] = {
      {"[\n{\"name\": \"a\",\n \"key\": secret-secret}]", "keys.json, line 3"},
      {"{}", "must be a list"},
      {"[]", "holds no key"},
      {"[1]", "entry 1 is not an object"},
      {R"([{"key": "secret-secret"}])", "entry 1 needs a \"name\""},
      {R"([{"name": "a"}])", "needs either"},
      {R"([{"name": "a", "key": "secret-secret", "key_sha256": "00"}])", "needs either"},
      {R"([{"name": "a", "key": "secret-secret"}, {"name": "a", "key": "secret-other"}])",
       "entry 2"},
      {R"([{"name": "a", "key": "secret-secret"}, {"name": "b", "key": "secret-secret"}])",
       "the key of 'a'"},
      {R"([{"name": "a", "key": "secret"}])", "\"key\" must be at least 8"},
      {R"([{"name": "a", "key": "secret secret"}])", "without spaces"},
      {R"([{"name": "a", "key_sha256": "secret"}])", "64 hex digits"},
      {R"([{"name": "a", "key": "secret-secret", "admin": "yes"}])", "\"admin\" must be"},
      {R"([{"name": "a", "key": "secret-secret", "max_concurrent": -1}])",
       "\"max_concurrent\" must be"},
      {R"([{"name": "a", "key": "secret-secret", "tokens_per_minute": 1.5}])",
       "\"tokens_per_minute\""},
      {R"([{"name": "a", "key": "secret-secret", "priority": 1e9}])", "\"priority\" must be"},
      {R"([{"name": "a", "key": "secret-secret", "token_per_minute": 5}])",
       "unknown field 'token_per_minute'"},
  };
  for (const auto& [text, part] : cases) {
    const auto keys = ApiKeys::Parse(text, "keys.json");
    ASSERT_FALSE(keys.ok()) << text;
    EXPECT_NE(keys.status().message().find(part), std::string::npos) << keys.status().message();
    EXPECT_EQ(keys.status().message().find("secret"), std::string::npos) << keys.status().message();
  }
  EXPECT_FALSE(ApiKeys::Parse(std::string(100'000, '['), "keys.json").ok());
}

TEST(Keys, WarnsOfAFileThatOthersMayRead) {
  const auto path = fmt::format("{}/wring-keys-{}.json", ::testing::TempDir(), getpid());
  std::ofstream(path) << kTwo;
  for (const auto& [mode, warns] : {std::pair(0600, false), {0640, true}, {0604, true}}) {
    ASSERT_EQ(chmod(path.c_str(), static_cast<mode_t>(mode)), 0);
    std::string warning;
    EXPECT_TRUE(ApiKeys::Load(path, &warning).ok());
    EXPECT_EQ(!warning.empty(), warns) << mode;
  }
  unlink(path.c_str());
  EXPECT_FALSE(ApiKeys::Load(path, nullptr).ok());
}

class KeyLimitsTest : public ::testing::Test {
 protected:
  ApiKey key_ = {"k", {}, false, 0, 0, 0, 0, ""};
  KeyLimits limits_;
  KeyLimits::Clock::time_point now_ = KeyLimits::Clock::now();
};

TEST_F(KeyLimitsTest, RequestsAMinute) {
  key_.requests_per_minute = 6;
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok);
  const auto verdict = limits_.Begin(key_, 1, now_);
  EXPECT_FALSE(verdict.ok);
  EXPECT_EQ(verdict.limit, "requests_per_minute");
  EXPECT_NEAR(verdict.retry_after_s, 10, 1e-3);
  EXPECT_FALSE(limits_.Begin(key_, 1, now_ + seconds(9)).ok);
  EXPECT_TRUE(limits_.Begin(key_, 1, now_ + seconds(10)).ok) << "refusals took something";
  EXPECT_FALSE(limits_.Begin(key_, 1, now_ + seconds(10)).ok);
}

TEST_F(KeyLimitsTest, TokensAMinute) {
  key_.tokens_per_minute = 600;
  EXPECT_TRUE(limits_.Begin(key_, 500, now_).ok);
  const auto verdict = limits_.Begin(key_, 200, now_);
  EXPECT_EQ(verdict.limit, "tokens_per_minute");
  EXPECT_NEAR(verdict.retry_after_s, 10, 1e-3);
  limits_.End(key_, 500, 100, now_);  // it used less than it had said
  EXPECT_TRUE(limits_.Begin(key_, 500, now_).ok);
  limits_.End(key_, 500, 1100, now_);  // and more: 600 in debt
  EXPECT_NEAR(limits_.Begin(key_, 1, now_).retry_after_s, 60.1, 0.2);
  EXPECT_TRUE(limits_.Begin(key_, 100'000, now_ + seconds(300)).ok) << "more than a minute's worth";
}

TEST_F(KeyLimitsTest, AtATime) {
  key_.max_concurrent = 2;
  EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok);
  EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok);
  EXPECT_EQ(limits_.Begin(key_, 1, now_).limit, "max_concurrent");
  EXPECT_GT(limits_.Begin(key_, 1, now_).retry_after_s, 0);
  limits_.End(key_, 1, 1, now_);
  EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok);
}

TEST_F(KeyLimitsTest, ManyThreadsNeverGetMoreThanThereIs) {
  key_.max_concurrent = 3;
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        if (!limits_.Begin(key_, 1, now_).ok) continue;
        const int now = ++running;
        int before = most;
        while (now > before && !most.compare_exchange_weak(before, now)) {
        }
        --running;
        limits_.End(key_, 1, 1, now_);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_LE(most, 3);
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok) << "one was not given back";
}

TEST_F(KeyLimitsTest, KeysDoNotShare) {
  key_.requests_per_minute = 1;
  auto other = key_;
  other.name = "other";
  EXPECT_TRUE(limits_.Begin(key_, 1, now_).ok);
  EXPECT_TRUE(limits_.Begin(other, 1, now_).ok);
  EXPECT_FALSE(limits_.Begin(key_, 1, now_).ok);
}

}  // namespace
}  // namespace wring::server
