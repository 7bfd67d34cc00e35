// The engine on a GPU: in the invariant grade nothing but the request decides the answer; what the pool has no room for
// comes back; layers that do not fit run on the processor.
#include "engine/engine.h"

#include <cmath>

#include "bench/random_model.h"
#include "cuda/gpu.h"
#include "engine/session.h"
#include "support/engine.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::RandomTokens;

class EngineGpuTest : public testing::GpuTest {
 protected:
  std::unique_ptr<Model> Open(const char* shape_text, int32_t gpu_layers = -1) {
    const auto shape = bench::ParseShape(shape_text);
    EXPECT_TRUE(shape.ok());
    auto file = bench::RandomModelFile::Write(*shape, nullptr);
    EXPECT_TRUE(file.ok());
    ModelOptions options;
    options.need_text = false;
    options.device = gpu_;
    options.gpu_layers = gpu_layers;
    auto model = Model::Open(file->path(), options);
    EXPECT_TRUE(model.ok()) << model.status().message();
    return model.ok() ? *std::move(model) : nullptr;
  }
  static std::vector<EngineRequest> Mix(uint32_t vocab) {
    std::vector<EngineRequest> all;
    const auto shared = RandomTokens(vocab, 200, 1000);
    for (uint32_t i = 0; i < 12; ++i) {
      EngineRequest r;
      const size_t lengths[] = {1, 3, 63, 64, 65, 128, 190};
      if (i % 3 == 0) r.prompt = {shared.begin(), shared.begin() + 128 + i};
      const auto own = RandomTokens(vocab, lengths[i % 7], i);
      r.prompt.insert(r.prompt.end(), own.begin(), own.end());
      r.sampling.temperature = i % 2 == 0 ? 1.0F : 0.0F;
      r.sampling.top_k = i % 4 == 0 ? 40 : 0;
      r.sampling.seed = i;
      r.sampling.repetition_penalty = i % 5 == 0 ? 1.2F : 1.0F;
      r.max_tokens = 20 + 15 * (i % 4);
      r.choices = i % 6 == 0 ? 3 : 1;
      r.codec = i % 2 == 0 ? CodecId::kF16 : CodecId::kI8;
      r.logprobs = i % 4 == 1 ? 2 : kNoLogprobs;
      all.push_back(std::move(r));
    }
    return all;
  }
};

TEST_F(EngineGpuTest, InTheInvariantGradeNothingButTheRequestDecidesTheAnswer) {
  for (const char* shape : {"layers=2,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:Q4_K",
                            "layers=2,hidden=256,heads=4,kv=4,ffn=768,vocab=500:F16"}) {
    auto model = Open(shape);
    ASSERT_NE(model, nullptr);
    const auto requests = Mix(model->spec.vocab);
    EngineOptions options;
    options.invariant = true;
    options.context = 1024;
    options.rows = 512;
    options.prefix_cache = false;
    std::vector<testing::Heard> alone;
    for (const uint32_t rows : {512U, 512U, 7U, 64U}) {
      options.rows = rows;
      options.prefix_cache = rows == 64;
      options.pool_bytes = rows == 7 ? 4 * kSlabBytes : 0;
      auto engine = Engine::Create(*model, options);
      ASSERT_TRUE(engine.ok()) << engine.status().message();
      const auto answers = testing::AnswersTo(**engine, requests, alone.empty());
      if (alone.empty()) alone = answers;
      for (size_t i = 0; i < answers.size(); ++i)
        EXPECT_EQ(answers[i].tokens, alone[i].tokens) << shape << ", request " << i << ", " << rows;
    }
  }
}

TEST_F(EngineGpuTest, PrefixesComeBackFromHostMemory) {
  auto model = Open("layers=4,hidden=512,heads=8,kv=8,ffn=1024,vocab=1000:F16");
  ASSERT_NE(model, nullptr);
  EngineOptions options;
  options.invariant = true;
  options.context = 1024;
  options.pool_bytes = 6 * kSlabBytes;  // 8 KiB a token: little more than one prompt
  options.spill = {uint64_t{256} << 20, "", 0, true};
  testing::Watcher watcher;
  auto engine = Engine::Create(*model, options, &watcher);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  std::vector<EngineRequest> requests;
  for (uint32_t i = 0; i < 6; ++i) {
    EngineRequest r;
    r.prompt = RandomTokens(1000, 700, i);
    r.max_tokens = 20;
    requests.push_back(r);
  }
  const auto first = testing::AnswersTo(**engine, requests, true);
  const auto again = testing::AnswersTo(**engine, requests, true);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(again[i].tokens, first[i].tokens);
    EXPECT_EQ(again[i].usage.cached_tokens, 640U);
  }
  testing::Settle(**engine);
  EXPECT_GT(watcher.last().restored, 0U);
}

TEST_F(EngineGpuTest, LayersOnTheProcessorGiveNearlyTheSame) {
  const char* shape = "layers=4,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:Q8_0";
  const auto ids = RandomTokens(1000, 300, 2);
  std::vector<std::vector<float>> logits;
  for (const int32_t gpu_layers : {-1, 3, 1}) {
    auto model = Open(shape, gpu_layers);
    ASSERT_NE(model, nullptr);
    EXPECT_EQ(model->spec.host_layers,
              gpu_layers < 0 ? 0U : 4U - static_cast<uint32_t>(gpu_layers));
    auto session = Session::Create(*model, {});
    ASSERT_TRUE(session.ok()) << session.status().message();
    logits.emplace_back();
    for (const size_t n : {size_t{290}, size_t{1}, size_t{9}}) {
      const auto row = (*session)->Append(std::span(ids).subspan((*session)->length(), n));
      ASSERT_TRUE(row.ok()) << row.status().message();
      logits.back().insert(logits.back().end(), row->begin(), row->end());
    }
  }
  for (size_t i = 1; i < logits.size(); ++i) {
    double error = 0;
    double norm = 0;
    for (size_t k = 0; k < logits[0].size(); ++k) {
      error += std::pow(logits[i][k] - logits[0][k], 2);
      norm += std::pow(logits[0][k], 2);
    }
    EXPECT_LE(std::sqrt(error / norm), 2e-2);  // the processor's activations are int8
  }
}

}  // namespace
}  // namespace wring
