// The token that a GPU draws is the sampler's.
#include "kernels/cuda/draw.h"

#include <cmath>

#include "base/rng.h"
#include "cuda/gpu.h"
#include "engine/generator.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "support/engine.h"
#include "support/test_data.h"

namespace wring {
namespace {

class DrawTest : public testing::GpuTest {
 protected:
  int32_t Draw(const std::vector<float>& logits, const SlotDraw& d) {
    Buffer on_logits = Put(logits);
    std::vector<cuda::EditArg> edits;
    for (const LogitEdit& e : d.edits) edits.push_back({e.id, e.bias, e.count});
    Buffer on_edits = Put(edits);
    Buffer on_allowed = Put(d.allowed);
    Buffer token = Put(std::vector<int32_t>{-7});
    cuda::DrawArg a = {};
    a.seed = d.seed;
    a.logits = on_logits.as<float>();
    a.edits = on_edits.as<cuda::EditArg>();
    a.edit_count = static_cast<uint32_t>(edits.size());
    a.allowed = d.allowed.empty() ? nullptr : on_allowed.as<uint32_t>();
    a.allowed_words = static_cast<uint32_t>(d.allowed.size());
    a.temperature = d.temperature;
    a.top_k = d.top_k;
    a.top_p = d.top_p;
    a.min_p = d.min_p;
    a.repetition_penalty = d.repetition_penalty;
    a.presence_penalty = d.presence_penalty;
    a.frequency_penalty = d.frequency_penalty;
    a.choice = d.choice;
    a.position = d.position;
    a.token = token.as<int32_t>();
    Buffer on_args = Put(std::vector<cuda::DrawArg>{a});
    cuda::DrawTokens(launcher_, on_args.as<cuda::DrawArg>(), 1,
                     static_cast<uint32_t>(logits.size()));
    return Get<int32_t>(token, 1)[0];
  }
  // `coarse`: many logits are equal.
  static std::vector<float> Logits(uint32_t vocab, uint32_t seed, bool coarse) {
    std::vector<float> logits;
    for (uint32_t i = 0; i < vocab; ++i) {
      double sum = 0;
      for (uint32_t k = 0; k < 4; ++k) sum += Uniform(seed, k, 0, wring::Draw::kTest, i) - 0.5;
      const auto v = static_cast<float>(6 * sum);
      logits.push_back(coarse ? std::round(4 * v) / 4 : v);
    }
    return logits;
  }
};

TEST_F(DrawTest, IsTheSamplersToken) {
  std::vector<SamplingParams> all;
  for (const float temperature : {0.0F, 0.3F, 1.0F, 2.0F}) {
    for (const int32_t top_k : {0, 1, 40, 5000}) {
      for (const float top_p : {1.0F, 0.95F, 0.3F}) {
        for (const float min_p : {0.0F, 0.1F}) {
          SamplingParams p;
          p.temperature = temperature;
          p.top_k = top_k;
          p.top_p = top_p;
          p.min_p = min_p;
          all.push_back(p);
        }
      }
    }
  }
  uint32_t seed = 0;
  uint32_t draws = 0;
  uint32_t other = 0;
  for (const uint32_t vocab : {97U, 1000U, 32000U, 151936U}) {
    for (const bool coarse : {false, true}) {
      const auto logits = Logits(vocab, vocab + (coarse ? 1 : 0), coarse);
      const auto history = testing::RandomTokens(vocab, 200, 3);
      for (SamplingParams p : all) {
        p.seed = ++seed;
        p.choice = seed % 3;
        if (seed % 4 == 1) {
          p.repetition_penalty = 1.3F;
          p.presence_penalty = 0.2F;
          p.frequency_penalty = 0.1F;
        }
        if (seed % 5 == 2) p.logit_bias = {{5, 3.0F}, {7, -100.0F}};
        std::vector<uint32_t> allowed;
        if (seed % 3 == 2) {
          allowed.resize((vocab + 31) / 32 - (seed % 2));
          for (uint32_t w = 0; w < allowed.size(); ++w)
            allowed[w] = Philox({w, seed, 0, 0}, 1)[0] & Philox({w, seed, 1, 0}, 1)[0];
        }
        SampleContext context;
        context.history = history;
        context.position = seed % 100;
        context.allowed = allowed;
        const int32_t want = Sample(logits, p, context);
        ASSERT_TRUE(CanDrawOnDevice(p));
        SlotDraw d = DrawOnDevice(p, history, context.position);
        d.allowed = allowed;
        const int32_t got = Draw(logits, d);
        ++draws;
        other += got != want;
        ASSERT_GE(got, 0);
        ASSERT_LT(got, static_cast<int32_t>(vocab));
        if (!allowed.empty()) {
          ASSERT_TRUE(allowed[static_cast<size_t>(got) / 32] >> (got % 32) & 1);
        }
        // Without a mass that is summed in another order nothing may differ.
        if (p.top_p >= 1.0F) {
          ASSERT_EQ(got, want) << "vocabulary " << vocab << ", seed " << seed;
        }
      }
    }
  }
  // A candidate at the border of top-p may fall on either side: masses are summed to 2^-40 here, in doubles there.
  EXPECT_LE(other, draws / 200) << "of " << draws;
}

TEST_F(DrawTest, SaysWhatCannotBeDrawn) {
  SlotDraw d;
  d.on_device = true;
  EXPECT_EQ(Draw({NAN, 1, 2}, d), kNotFinite);
  d.allowed = {0};
  EXPECT_EQ(Draw({0, 1, 2}, d), kNoToken);
  d.allowed = {2};
  d.temperature = 1;
  EXPECT_EQ(Draw({0, -50, 2}, d), 1);
}

TEST_F(DrawTest, AnAnswerIsTheOneThatTheHostDraws) {
  const auto path = (testing::TreeDir() / "tests/goldens/models/llama-gqa").string();
  ModelOptions options;
  options.need_text = false;
  options.device = gpu_;
  auto model = Model::Open(path, options);
  ASSERT_TRUE(model.ok()) << model.status().message();
  (*model)->spec.context = 512;
  for (const float temperature : {0.0F, 1.0F}) {
    std::vector<int32_t> tokens[2];
    // Log-probabilities need the logits, so the host draws.
    for (const int32_t logprobs : {kNoLogprobs, 1}) {
      auto engine = Engine::Create(**model, {});
      ASSERT_TRUE(engine.ok()) << engine.status().message();
      EngineRequest r;
      r.prompt = testing::RandomTokens((*model)->spec.vocab, 40, 1);
      r.sampling.temperature = temperature;
      r.sampling.top_k = 20;
      r.sampling.seed = 11;
      r.sampling.repetition_penalty = 1.1F;
      r.max_tokens = 60;
      r.logprobs = logprobs;
      auto recorder = std::make_shared<testing::Recorder>();
      ASSERT_FALSE((*engine)->Submit(r, recorder));
      const auto& heard = recorder->Wait();
      ASSERT_TRUE(heard.status.ok()) << heard.status.message();
      tokens[logprobs == kNoLogprobs ? 0 : 1] = heard.tokens.at(0);
    }
    EXPECT_EQ(tokens[0].size(), 60U);
    EXPECT_EQ(tokens[0], tokens[1]);
  }
}

}  // namespace
}  // namespace wring
