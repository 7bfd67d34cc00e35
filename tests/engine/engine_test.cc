// Continuous batching: what a request answers depends on nothing but the request; what goes gives its pages back.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include "engine/session.h"
#include "support/checkpoint.h"
#include "support/engine.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::Heard;
using testing::RandomTokens;
using testing::Recorder;
using testing::Watcher;

std::unique_ptr<Model> Tiny(const std::string& name, uint32_t threads = 2) {
  auto model = testing::OpenForTest((testing::TreeDir() / "tests/goldens" / name).string(), threads,
                                    [](ModelSpec& spec) { spec.context = 1024; });
  if (!model.ok()) ADD_FAILURE() << model.status().message();
  return model.ok() ? *std::move(model) : nullptr;
}

std::unique_ptr<Engine> Start(Model& model, const EngineOptions& options,
                              EngineObserver* observer = nullptr) {
  auto engine = Engine::Create(model, options, observer);
  if (!engine.ok()) ADD_FAILURE() << engine.status().message();
  return engine.ok() ? *std::move(engine) : nullptr;
}

// Requests of all kinds: short and long, greedy and drawn, sharing beginnings, in three codecs, several choices.
std::vector<EngineRequest> Mix(uint32_t vocab) {
  std::vector<EngineRequest> all;
  const auto shared = RandomTokens(vocab, 200, 1000);
  for (uint32_t i = 0; i < 14; ++i) {
    EngineRequest r;
    const size_t lengths[] = {1, 3, 63, 64, 65, 128, 190};
    if (i % 3 == 0) r.prompt = {shared.begin(), shared.begin() + 128 + i};
    const auto own = RandomTokens(vocab, lengths[i % 7], i);
    r.prompt.insert(r.prompt.end(), own.begin(), own.end());
    r.sampling.temperature = i % 2 == 0 ? 1.0F : 0.0F;
    r.sampling.seed = i;
    r.sampling.repetition_penalty = i % 5 == 0 ? 1.2F : 1.0F;
    r.max_tokens = 20 + 15 * (i % 4);
    r.choices = i % 6 == 0 ? 3 : 1;
    r.codec = static_cast<CodecId>(i % kCodecCount);
    r.account = fmt::format("account {}", i % 3);
    r.priority = i % 4 == 0 ? 1 : 0;
    r.logprobs = i % 4 == 1 ? 2 : kNoLogprobs;
    all.push_back(std::move(r));
  }
  return all;
}

std::vector<Heard> Answer(Engine& engine, const std::vector<EngineRequest>& requests, bool alone) {
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (const auto& r : requests) {
    recorders.push_back(std::make_shared<Recorder>());
    auto refusal = engine.Submit(r, recorders.back());
    if (refusal) ADD_FAILURE() << refusal->status.message();
    if (alone) recorders.back()->Wait();
  }
  std::vector<Heard> all;
  for (const auto& r : recorders) all.push_back(r->Wait());
  return all;
}

void ExpectSame(const std::vector<Heard>& got, const std::vector<Heard>& want,
                const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(got[i].status.ok()) << what << ": " << got[i].status.message();
    ASSERT_EQ(got[i].tokens, want[i].tokens) << what << ", request " << i;
    ASSERT_EQ(got[i].finish, want[i].finish) << what << ", request " << i;
    ASSERT_EQ(got[i].logprobs.size(), want[i].logprobs.size());
    for (size_t t = 0; t < got[i].logprobs.size(); ++t) {
      ASSERT_EQ(got[i].logprobs[t].token.logprob, want[i].logprobs[t].token.logprob) << what;
    }
  }
}

class EngineInvarianceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EngineInvarianceTest, NothingButTheRequestDecidesTheAnswer) {
  auto model = Tiny(GetParam());
  ASSERT_NE(model, nullptr);
  const auto requests = Mix(model->spec.vocab);
  EngineOptions options;
  options.rows = 512;
  options.prefix_cache = false;
  std::vector<Heard> alone;
  {
    auto engine = Start(*model, options);
    ASSERT_NE(engine, nullptr);
    alone = Answer(*engine, requests, true);
  }
  for (const Heard& h : alone) ASSERT_TRUE(h.status.ok()) << h.status.message();
  {
    auto engine = Start(*model, options);
    ExpectSame(Answer(*engine, requests, false), alone, "all at once");
  }
  for (const uint32_t rows : {7U, 64U}) {
    options.rows = rows;
    options.prefix_cache = rows == 64;
    Watcher watcher;
    auto engine = Start(*model, options, &watcher);
    ExpectSame(Answer(*engine, requests, false), alone, fmt::format("steps of {} rows", rows));
    EXPECT_LE(watcher.most_rows(), rows);
    if (!options.prefix_cache) continue;
    const uint64_t hits = watcher.last().prefix_hits;
    ExpectSame(Answer(*engine, requests, false), alone, "warm cache");
    EXPECT_GT(watcher.last().prefix_hits, hits + 1000) << "the cache was not warm";
    testing::Settle(*engine);
    EXPECT_EQ(watcher.last().pool_used[static_cast<size_t>(PoolOwner::kKvCache)], 0U);
  }
}

TEST_P(EngineInvarianceTest, PreemptionChangesNothing) {
  auto model = Tiny(GetParam());
  ASSERT_NE(model, nullptr);
  std::vector<EngineRequest> requests;
  for (uint32_t i = 0; i < 16; ++i) {  // short prompts are let in, and outgrow the pool
    EngineRequest r;
    r.prompt = RandomTokens(model->spec.vocab, 20 + i, i);
    r.sampling.temperature = 1;
    r.sampling.seed = i;
    r.max_tokens = 700;
    r.choices = i % 8 == 0 ? 2 : 1;
    r.codec = i % 3 == 0 ? CodecId::kF16 : CodecId::kF32;
    requests.push_back(std::move(r));
  }
  EngineOptions options;
  const auto alone = Answer(*Start(*model, options), requests, true);
  options.pool_bytes = 3 * kSlabBytes;
  Watcher watcher;
  auto engine = Start(*model, options, &watcher);
  ExpectSame(Answer(*engine, requests, false), alone, "small pool");
  // Where every layer has a window, sequences stop growing and nothing must go.
  if (std::string(GetParam()) != "architectures/mistral-window") {
    EXPECT_GT(watcher.last().preempted, 2U) << "the pool was not small";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EngineInvarianceTest,
                         ::testing::Values("models/llama-gqa", "architectures/gemma3",
                                           "architectures/mistral-window"),
                         [](const auto& model) {
                           std::string name = model.param;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST(EngineTest, SaysWhatASessionSays) {
  auto model = Tiny("models/llama-gqa");
  const auto prompt = RandomTokens(model->spec.vocab, 100, 3);
  EngineRequest r;
  r.prompt = prompt;
  r.max_tokens = 30;
  std::vector<int32_t> want;
  {
    auto session = Session::Create(*model, {});
    ASSERT_TRUE(session.ok());
    auto logits = (*session)->Append(prompt);
    while (want.size() < 30) {
      ASSERT_TRUE(logits.ok());
      want.push_back(Sample(*logits, {}, {}, (*session)->length()));
      logits = (*session)->Append({&want.back(), 1});
    }
  }
  auto engine = Start(*model, {});
  EXPECT_EQ(Answer(*engine, {r}, true)[0].tokens.at(0), want);
}

TEST(EngineTest, PromptLogprobsAreTheSessionsWhateverIsCached) {
  auto model = Tiny("models/llama-gqa");
  EngineRequest r;
  r.prompt = RandomTokens(model->spec.vocab, 150, 4);
  r.max_tokens = 1;
  r.prompt_logprobs = 1;
  r.logprobs = 0;
  std::vector<float> want;
  {
    auto session = Session::Create(*model, {});
    ASSERT_TRUE(session.ok());
    ASSERT_TRUE((*session)
                    ->AppendAll(r.prompt,
                                [&](size_t i, std::span<const float> row) {
                                  if (i + 1 < r.prompt.size()) {
                                    want.push_back(
                                        static_cast<float>(LogProbability(row, r.prompt[i + 1])));
                                  }
                                })
                    .ok());
  }
  auto engine = Start(*model, {});
  for (int round = 0; round < 2; ++round) {
    const auto heard = Answer(*engine, {r}, true)[0];
    ASSERT_EQ(heard.prompt_logprobs.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(heard.prompt_logprobs[i].token.id, r.prompt[i + 1]);
      EXPECT_NEAR(heard.prompt_logprobs[i].token.logprob, want[i], 1e-5);
      ASSERT_EQ(heard.prompt_logprobs[i].top.size(), 1U);
      EXPECT_GE(heard.prompt_logprobs[i].top[0].logprob, heard.prompt_logprobs[i].token.logprob);
    }
    EXPECT_EQ(heard.logprobs.size(), 1U);
  }
}

TEST(EngineTest, ASecondRequestFindsTheFirstOnesPrefix) {
  auto model = Tiny("models/llama-gqa");
  auto engine = Start(*model, {});
  EngineRequest r;
  r.prompt = RandomTokens(model->spec.vocab, 256, 5);
  r.max_tokens = 4;
  EXPECT_EQ(Answer(*engine, {r}, true)[0].usage.cached_tokens, 0U);
  // All is cached, and still the last token is computed, into a copy of its block.
  EXPECT_EQ(Answer(*engine, {r}, true)[0].usage.cached_tokens, 255U);
  for (const auto& change : std::vector<std::function<void(EngineRequest&)>>{
           [](EngineRequest& q) { q.cache_salt = "mine"; },
           [](EngineRequest& q) { q.codec = CodecId::kI8; },
           [](EngineRequest& q) { q.prompt[0] ^= 1; },
       }) {
    EngineRequest other = r;
    change(other);
    EXPECT_EQ(Answer(*engine, {other}, true)[0].usage.cached_tokens, 0U);
  }
  EngineRequest later = r;
  later.prompt[130] ^= 1;
  EXPECT_EQ(Answer(*engine, {later}, true)[0].usage.cached_tokens, 128U);
  engine->ClearPrefixCache();
  EXPECT_EQ(Answer(*engine, {r}, true)[0].usage.cached_tokens, 0U);
}

TEST(EngineTest, WindowedLayersGivePagesBackAndStillShare) {
  auto model = Tiny("architectures/mistral-window");  // every layer sees 40 positions
  EngineOptions options;
  options.prefix_cache = false;
  options.rows = 64;
  options.sequences = 1;
  Watcher watcher;
  auto engine = Start(*model, options, &watcher);
  EngineRequest r;
  r.prompt = RandomTokens(model->spec.vocab, 640, 6);
  r.max_tokens = 100;
  const auto cold = Answer(*engine, {r}, true);
  const auto layout = KvLayout::For(CodecId::kF16, model->spec.kv_heads, model->spec.head_dim,
                                    model->spec.layer_windows());
  ASSERT_TRUE(layout.ok());
  // A chunk of 64 rows and its window touch three columns; ten were computed.
  EXPECT_LE(watcher.most_used(), 3 * kBlockTokens * layout->bytes_per_token());
  EXPECT_GT(watcher.most_used(), 0U);

  options.prefix_cache = true;
  Watcher second;
  auto caching = Start(*model, options, &second);
  ExpectSame(Answer(*caching, {r}, true), cold, "caching");
  const auto warm = Answer(*caching, {r}, true);
  ExpectSame(warm, cold, "warm");
  EXPECT_EQ(warm[0].usage.cached_tokens, 639U);
}

TEST(EngineTest, CancelWorksInEveryStateAndTouchesNobodyElse) {
  auto model = Tiny("models/llama-gqa");
  EngineOptions options;
  options.sequences = 4;
  options.rows = 16;
  Watcher watcher;
  auto engine = Start(*model, options, &watcher);
  EngineRequest kept;
  kept.prompt = RandomTokens(model->spec.vocab, 90, 7);
  kept.max_tokens = 200;
  const auto want = Answer(*engine, {kept}, true)[0].tokens;
  engine->ClearPrefixCache();

  for (uint32_t round = 0; round < 6; ++round) {
    auto survivor = std::make_shared<Recorder>();
    ASSERT_FALSE(engine->Submit(kept, survivor));
    std::vector<std::shared_ptr<Recorder>> gone;
    std::vector<std::shared_ptr<CancelToken>> tokens;
    for (uint32_t i = 0; i < 12;
         ++i) {  // more than run at once: some are cancelled while they wait
      EngineRequest r;
      r.prompt = RandomTokens(model->spec.vocab, 300 + i, 100 * round + i);
      r.cancel = std::make_shared<CancelToken>();
      r.choices = i % 3 == 0 ? 2 : 1;
      tokens.push_back(r.cancel);
      gone.push_back(std::make_shared<Recorder>());
      ASSERT_FALSE(engine->Submit(r, gone.back()));
    }
    if (round % 2 == 0) gone[0]->WaitForTokens(round);
    for (const auto& t : tokens) t->Cancel();
    for (const auto& g : gone) {
      EXPECT_EQ(g->Wait().status.code(), Code::kCancelled);
      EXPECT_EQ(g->Wait().ends, 1);
    }
    EXPECT_EQ(survivor->Wait().tokens, want);
    EXPECT_TRUE(survivor->Wait().status.ok());
  }
  testing::Settle(*engine);
  EXPECT_EQ(watcher.last().pool_used[static_cast<size_t>(PoolOwner::kKvCache)], 0U);
  EXPECT_EQ(watcher.last().running, 0U);
  EXPECT_EQ(engine->in_flight(), 0U);
}

TEST(EngineTest, ADeadlineEndsARequestWithASentence) {
  auto model = Tiny("models/llama-gqa");
  auto engine = Start(*model, {});
  EngineRequest r;
  r.prompt = {1, 2, 3};
  r.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  auto recorder = std::make_shared<Recorder>();
  const auto refusal = engine->Submit(r, recorder);
  if (!refusal) {
    EXPECT_EQ(recorder->Wait().status.code(), Code::kLimit);
    EXPECT_NE(recorder->Wait().status.message().find("deadline"), std::string::npos);
  }
}

TEST(EngineTest, RefusesWhatCannotBeComputed) {
  auto model = Tiny("models/llama-gqa");
  auto engine = Start(*model, {});
  const auto why = [&](const std::function<void(EngineRequest&)>& change) {
    EngineRequest r;
    r.prompt = {1, 2, 3};
    change(r);
    const auto refusal = engine->Submit(r, std::make_shared<Recorder>());
    EXPECT_TRUE(refusal.has_value());
    EXPECT_EQ(refusal->retry_after, 0);
    return refusal ? refusal->status.message() : "";
  };
  EXPECT_NE(why([](auto& r) { r.prompt.clear(); }).find("no tokens"), std::string::npos);
  EXPECT_NE(why([](auto& r) { r.prompt[1] = -4; }).find("vocabulary"), std::string::npos);
  EXPECT_NE(why([](auto& r) { r.prompt.assign(5000, 1); }).find("context"), std::string::npos);
  EXPECT_NE(why([](auto& r) { r.choices = 0; }).find("choices"), std::string::npos);
  EXPECT_NE(why([](auto& r) { r.sampling.top_p = 7; }).find("top"), std::string::npos);
  // Too long is kLimit without a time: no waiting would help. The API tells it by that.
  EngineRequest too_long;
  too_long.prompt.assign(5000, 1);
  const auto refusal = engine->Submit(std::move(too_long), std::make_shared<Recorder>());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status.code(), Code::kLimit);
  EXPECT_EQ(refusal->retry_after, 0);
}

TEST(EngineTest, AFullQueueRefusesWithATimeToWait) {
  auto model = Tiny("models/llama-gqa");
  EngineOptions options;
  options.sequences = 1;
  options.admission.waiting_requests = 3;
  auto engine = Start(*model, options);
  std::vector<std::shared_ptr<Recorder>> taken;
  uint32_t refused = 0;
  for (int i = 0; i < 20; ++i) {
    EngineRequest r;
    r.prompt = RandomTokens(model->spec.vocab, 500, i);
    r.max_tokens = 300;
    auto recorder = std::make_shared<Recorder>();
    const auto refusal = engine->Submit(r, recorder);
    if (!refusal) {
      taken.push_back(recorder);
      continue;
    }
    ++refused;
    EXPECT_EQ(refusal->status.code(), Code::kLimit);
    EXPECT_GE(refusal->retry_after, 1);
  }
  EXPECT_GT(refused, 5U);
  for (const auto& r : taken) EXPECT_TRUE(r->Wait().status.ok());
}

TEST(EngineTest, EndingItEndsWhatRuns) {
  auto model = Tiny("models/llama-gqa");
  auto engine = Start(*model, {});
  std::vector<std::shared_ptr<Recorder>> all;
  for (int i = 0; i < 80; ++i) {
    EngineRequest r;
    r.prompt = RandomTokens(model->spec.vocab, 300, i);
    all.push_back(std::make_shared<Recorder>());
    ASSERT_FALSE(engine->Submit(r, all.back()));
  }
  all[0]->WaitForTokens(1);
  engine.reset();
  for (const auto& r : all) {
    EXPECT_EQ(r->Wait().ends, 1);
  }
  EXPECT_EQ(all.back()->Wait().status.code(), Code::kCancelled);
}

}  // namespace
}  // namespace wring
