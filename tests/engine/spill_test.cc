// Prefixes that leave the pool come back, with the same answers, in this run and in the next.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/checkpoint.h"
#include "support/engine.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::RandomTokens;

class SpillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto model =
        testing::OpenForTest((testing::TreeDir() / "tests/goldens/models/llama-gqa").string(), 2,
                             [](ModelSpec& spec) { spec.context = 1024; });
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *std::move(model);
    std::string name = ::testing::TempDir() + "wring-spill-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Engine> Start(const SpillOptions& spill, EngineObserver* observer = nullptr) {
    EngineOptions options;
    options.rows = 64;
    options.sequences = 4;
    options.pool_bytes = kSlabBytes;  // little more than one of the prompts
    options.codec = CodecId::kF32;
    options.spill = spill;
    auto engine = Engine::Create(*model_, options, observer);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  EngineRequest Request(uint32_t i) const {
    EngineRequest r;
    r.prompt = RandomTokens(model_->spec.vocab, 700, i);
    r.sampling.temperature = 1;
    r.sampling.seed = i;
    r.max_tokens = 30;
    return r;
  }
  static testing::Heard Ask(Engine& engine, const EngineRequest& r) {
    auto recorder = std::make_shared<testing::Recorder>();
    EXPECT_FALSE(engine.Submit(r, recorder));
    auto heard = recorder->Wait();
    EXPECT_TRUE(heard.status.ok()) << heard.status.message();
    return heard;
  }

  std::unique_ptr<Model> model_;
  std::string folder_;
};

TEST_F(SpillTest, PromptsComeBackFromMemory) {
  testing::Watcher watcher;
  auto without = Start({0, "", 0, false});
  auto with = Start({uint64_t{64} << 20, "", 0, true}, &watcher);
  std::vector<testing::Heard> first;
  for (uint32_t i = 0; i < 8; ++i) {
    first.push_back(Ask(*with, Request(i)));
    EXPECT_EQ(Ask(*without, Request(i)).tokens, first.back().tokens);
  }
  uint32_t lost = 0;
  for (uint32_t i = 0; i < 8; ++i) {
    const auto again = Ask(*with, Request(i));
    EXPECT_EQ(again.tokens, first[i].tokens);
    EXPECT_EQ(again.usage.cached_tokens, 640U) << "prompt " << i;
    lost += Ask(*without, Request(i)).usage.cached_tokens < 640;
  }
  EXPECT_GT(lost, 0U) << "the pool held everything, so nothing was tested";
  testing::Settle(*with);
  EXPECT_GT(watcher.last().restored, 0U);
  EXPECT_GT(watcher.last().spilled_memory, 0U);
  with->ClearPrefixCache();
}

TEST_F(SpillTest, AConversationResumesInAnotherRun) {
  EngineRequest turn = Request(3);
  testing::Heard answer;
  {
    auto engine = Start({0, folder_, uint64_t{64} << 20, true});
    answer = Ask(*engine, turn);
  }
  auto engine = Start({0, folder_, uint64_t{64} << 20, true});
  const auto again = Ask(*engine, turn);
  EXPECT_EQ(again.tokens, answer.tokens);
  EXPECT_EQ(again.usage.cached_tokens, 640U);  // ten complete columns
  // The next turn begins behind all complete columns of prompt and answer.
  EngineRequest next = turn;
  next.prompt.insert(next.prompt.end(), answer.tokens.at(0).begin(), answer.tokens.at(0).end());
  next.prompt.push_back(5);
  EXPECT_EQ(Ask(*engine, next).usage.cached_tokens, 704U);
}

TEST_F(SpillTest, PreemptedAnswersComeBackAsTheyWere) {
  testing::Watcher watcher;
  std::vector<testing::Heard> alone;
  {
    auto engine = Start({0, "", 0, false});
    for (uint32_t i = 0; i < 8; ++i) {
      EngineRequest r = Request(i);
      r.prompt.resize(400);
      r.max_tokens = 500;
      alone.push_back(Ask(*engine, r));
    }
  }
  auto engine = Start({uint64_t{64} << 20, "", 0, true}, &watcher);
  std::vector<std::shared_ptr<testing::Recorder>> together;
  for (uint32_t i = 0; i < 8; ++i) {
    EngineRequest r = Request(i);
    r.prompt.resize(400);
    r.max_tokens = 500;
    together.push_back(std::make_shared<testing::Recorder>());
    ASSERT_FALSE(engine->Submit(r, together.back()));
  }
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(together[i]->Wait().tokens, alone[i].tokens);
  testing::Settle(*engine);
  EXPECT_GT(watcher.last().preempted, 0U);
  EXPECT_GT(watcher.last().restored, 0U);
}

}  // namespace
}  // namespace wring
