// A whole model through Model::Open, its header damaged: it opens and computes, or one sentence says why not.
#include <gtest/gtest.h>

#include <chrono>

#include "engine/session.h"
#include "support/tiny_gguf.h"

namespace wring::testing {
namespace {

constexpr auto kLongest = std::chrono::seconds(2);

// Opens the file and computes two tokens.
Status OpenAndRun(const std::string& path) {
  ModelOptions options;
  options.threads = 1;
  WRING_ASSIGN(auto model, Model::Open(path, options));
  SessionOptions session_options;
  session_options.context = std::min(model->spec.context, 64U);
  WRING_ASSIGN(auto session, Session::Create(*model, session_options));
  const std::vector<int32_t> ids = {1, 5};
  return ToStatus(session->Append(ids));
}

void ExpectSentence(const Status& status) {
  const auto& m = status.message();
  EXPECT_FALSE(m.empty());
  EXPECT_LT(m.size(), 1200U) << m;
  for (const char c : m) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << m;
}

TEST(HostileFiles, ModelOpen) {
  TempDir dir;
  const auto builder = TinyGguf();
  const auto bytes = builder.Build();
  const size_t header = bytes.size() - builder.data.size();
  const auto path = dir.Write("tiny.gguf", bytes);
  const auto whole = OpenAndRun(path);
  ASSERT_TRUE(whole.ok()) << whole.message();
  uint64_t state = 21;
  const auto draw = [&state](uint64_t below) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % below;
  };
  int opened = 0;
  const auto judge = [&](const std::string& damaged) {
    dir.Write("tiny.gguf", damaged);
    const auto start = std::chrono::steady_clock::now();
    const auto status = OpenAndRun(path);
    EXPECT_LT(std::chrono::steady_clock::now() - start, kLongest);
    if (status.ok()) {
      ++opened;
    } else {
      ExpectSentence(status);
    }
  };
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    SCOPED_TRACE(fmt::format("cut {}", i));
    judge(bytes.substr(0, draw(bytes.size())));
  }
  EXPECT_EQ(opened, 0) << "a file without its end was taken";
  for (int i = 0; i < 1000 && !HasFailure(); ++i) {
    SCOPED_TRACE(fmt::format("flip {}", i));
    std::string mutant = bytes;
    for (uint64_t n = 1 + draw(3); n > 0; --n) {
      const size_t at = draw(header);
      mutant[at] = static_cast<char>(mutant[at] ^ (1 << draw(8)));
    }
    judge(mutant);
  }
  EXPECT_GT(opened, 0);
  EXPECT_LT(opened, 1000);
}

TEST(HostileFiles, MessagesDoNotRepeatWhatATerminalObeys) {
  TempDir dir;
  GgufBuilder b;
  b.Text("general.architecture", "\x1b[2J\x1b]0;owned\x07" + std::string(100000, 'x'));
  const auto path = dir.Write("a.gguf", b.Build());
  const auto opened = Model::Open(path, {});
  ASSERT_FALSE(opened.ok());
  ExpectSentence(opened.status());
}

TEST(HostileFiles, APathThatCannotBe) {
  for (const std::string& path : {std::string(), std::string(10000, 'x'), std::string("a\0b", 3)}) {
    EXPECT_FALSE(Model::Open(path, {}).ok());
  }
}

}  // namespace
}  // namespace wring::testing
