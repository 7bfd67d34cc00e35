#include "server/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <thread>
#include <vector>

#include "formats/json.h"

namespace wring::server {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fmt::format("{}/wring-log-{}.json", ::testing::TempDir(), getpid());
    unlink(path_.c_str());
    auto log = Log::ToFile(path_, LogLevel::kInfo);
    ASSERT_TRUE(log.ok()) << log.status().message();
    log_ = std::move(*log);
  }
  void TearDown() override { unlink(path_.c_str()); }

  std::vector<std::string> Lines() const {
    std::ifstream in(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  std::string path_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, OneObjectALine) {
  log_->Write(LogLevel::kInfo, "request",
              {{"path", "/v1/x"},
               {"status", 200},
               {"seconds", 0.25},
               {"stream", true},
               {"id", uint64_t{7}}});
  log_->Write(LogLevel::kDebug, "not wanted");
  ASSERT_EQ(Lines().size(), 1u);
  const std::regex shape(
      R"(\{"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"info","event":"request","path":"/v1/x",)"
      R"("status":200,"seconds":0.25,"stream":true,"id":7\})");
  EXPECT_TRUE(std::regex_match(Lines()[0], shape)) << Lines()[0];
  struct stat found = {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0077, 0u);
}

TEST_F(LogTest, NothingForgesALine) {
  std::string every;
  for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
  const std::string evil[] = {"x\"}\n{\"ts\":\"forged\"}", every, "\xe2\x80\xa8\xc2\x85\x1b[2J",
                              "\xff\xfe", "\xed\xa0\x80"};
  for (const auto& text : evil)
    log_->Write(LogLevel::kError, text, {{text, text}, {"nan", 0.0 / 0.0}});
  const auto lines = Lines();
  ASSERT_EQ(lines.size(), std::size(evil));
  for (const auto& line : lines) {
    EXPECT_TRUE(ParseJsonObject(line, "the line").ok()) << line;
    for (const char c : line) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
  const auto first = ParseJsonObject(lines[0], "the line");
  EXPECT_EQ((*first)["event"].get<std::string>(), evil[0]);
  EXPECT_NE(lines[3].find("\xef\xbf\xbd\xef\xbf\xbd"), std::string::npos);
  EXPECT_EQ(lines[2].find('\xc2'), std::string::npos) << "a terminal obeys C1 controls";
}

TEST_F(LogTest, ThreadsDoNotMixLines) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string text(500, static_cast<char>('a' + t));
      for (int i = 0; i < 200; ++i) log_->Write(LogLevel::kInfo, "e", {{"text", text}});
    });
  }
  for (auto& thread : threads) thread.join();
  const auto lines = Lines();
  EXPECT_EQ(lines.size(), 800u);
  for (const auto& line : lines) EXPECT_TRUE(ParseJsonObject(line, "the line").ok()) << line;
}

TEST(LogLevel, Parses) {
  EXPECT_EQ(*ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_FALSE(ParseLogLevel("loud").ok());
  EXPECT_FALSE(Log::ToFile("/nowhere/log", LogLevel::kInfo).ok());
}

}  // namespace
}  // namespace wring::server
