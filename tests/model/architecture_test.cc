// The wider set of architectures against float64 logits of transformers, past the limits of their RoPE scalings and
// windows; each golden proves that it sees the parts that are special to its architecture.
#include "model/arch/architecture.h"

#include <gtest/gtest.h>

#include "engine/encoder.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::OpenForTest;

constexpr float kTolerance = testing::kGoldenTolerance;

std::string PathOf(const char* name) {
  return (testing::TreeDir() / "tests/goldens/architectures" / name).string();
}

struct Fault {
  const char* what;
  std::function<void(ModelSpec&)> disturb;
};
struct Case {
  const char* name;
  std::vector<Fault> faults;
};

void NoScaling(ModelSpec& s) { s.ropes[0].scaling = RopeScaling::kNone; }
void NoWindow(ModelSpec& s) { s.local.clear(); }
void WindowOneLess(ModelSpec& s) { s.window -= 1; }

std::vector<Case> Cases() {
  return {
      {"llama-linear", {{"no scaling", NoScaling}}},
      {"llama-dynamic", {{"no scaling", NoScaling}}},
      {"llama-yarn",
       {{"no scaling", NoScaling},
        {"linear", [](ModelSpec& s) { s.ropes[0].scaling = RopeScaling::kLinear; }},
        {"attention factor", [](ModelSpec& s) { s.ropes[0].attention_factor = 1; }},
        {"beta", [](ModelSpec& s) { s.ropes[0].beta_slow = 0.25; }}}},
      {"llama-llama3",
       {{"no scaling", NoScaling},
        {"bounds", [](ModelSpec& s) { s.ropes[0].high_freq_factor = 2; }}}},
      {"mistral-window", {{"no window", NoWindow}, {"window one less", WindowOneLess}}},
      {"qwen3", {{"no head norms", [](ModelSpec& s) { s.qk_norm = false; }}}},
      {"gemma2",
       {{"no window", NoWindow},
        {"every layer local", [](ModelSpec& s) { s.local.assign(s.layers, true); }},
        {"attention cap", [](ModelSpec& s) { s.attention_softcap = 0; }},
        {"logit cap", [](ModelSpec& s) { s.logit_softcap = 0; }},
        {"scale", [](ModelSpec& s) { s.attention_scale *= 1.1F; }},
        {"embedding scale", [](ModelSpec& s) { s.embedding_scale = 1; }},
        {"gate", [](ModelSpec& s) { s.activation = Activation::kSilu; }}}},
      {"gemma3",
       {{"no window", NoWindow},
        {"window one less", WindowOneLess},
        {"no scaling", NoScaling},
        {"local theta", [](ModelSpec& s) { s.ropes[1].theta = s.ropes[0].theta; }},
        {"no head norms", [](ModelSpec& s) { s.qk_norm = false; }},
        {"layer kinds",
         [](ModelSpec& s) {
           s.local = {true, false, true};
         }}}},
      {"phi3-long",
       {{"no scaling", NoScaling},
        {"short factors", [](ModelSpec& s) { s.ropes[0].long_factors = s.ropes[0].short_factors; }},
        {"attention factor", [](ModelSpec& s) { s.ropes[0].attention_factor = 1; }}}},
      {"phi3-partial",
       {{"all channels turn", [](ModelSpec& s) { s.ropes[0].dims = 0; }}, {"no window", NoWindow}}},
  };
}

class ArchitectureTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { golden_.Read(PathOf(GetParam().name)); }
  std::pair<float, float> Distance(const std::function<void(ModelSpec&)>& disturb, bool exact) {
    SessionOptions options;
    options.exact = exact;
    // The reference read all tokens at once: dynamic scalings go by that length.
    options.context = static_cast<uint32_t>(golden_.prompt.size() + golden_.decode.size());
    return golden_.Distance(options, disturb);
  }
  testing::Golden golden_;
};

TEST_P(ArchitectureTest, ExactEqualsTransformers) {
  const auto [prefill, decode] = Distance(nullptr, true);
  EXPECT_LE(prefill, kTolerance);
  EXPECT_LE(decode, kTolerance);
}

TEST_P(ArchitectureTest, ChunksAndThreadsDoNotChangeABit) {
  const auto run = [&](uint32_t chunk, uint32_t threads) {
    SessionOptions options;
    options.chunk = chunk;
    options.context = static_cast<uint32_t>(golden_.prompt.size() + golden_.decode.size());
    auto model = OpenForTest(golden_.path, threads);
    EXPECT_TRUE(model.ok()) << model.status().message();
    auto logits = testing::RunTeacherForced(**model, options, golden_.prompt, golden_.decode);
    EXPECT_TRUE(logits.ok()) << logits.status().message();
    return logits->values;
  };
  const auto whole = run(256, 1);
  EXPECT_EQ(run(7, 1), whole);
  EXPECT_EQ(run(64, 2), whole);
}

TEST_P(ArchitectureTest, Fp16CacheStaysClose) {
  const auto [prefill, decode] = Distance(nullptr, false);
  EXPECT_LE(std::max(prefill, decode), 5e-2F);
}

TEST_P(ArchitectureTest, SeesAFault) {
  auto faults = GetParam().faults;
  faults.push_back({"rope off", [](ModelSpec& s) { s.rotary = false; }});
  faults.push_back({"theta", [](ModelSpec& s) { s.ropes[0].theta *= 2; }});
  for (const Fault& fault : faults) {
    const auto [prefill, decode] = Distance(fault.disturb, true);
    EXPECT_GE(prefill, 20 * kTolerance) << fault.what;
    EXPECT_GE(decode, 20 * kTolerance) << fault.what;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ArchitectureTest, ::testing::ValuesIn(Cases()),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// The disturbances of norms need what a spec cannot say: weights.
TEST(ArchitectureTest, GemmaNormsAreStoredMinusOne) {
  auto model = OpenForTest(PathOf("gemma3"));
  ASSERT_TRUE(model.ok()) << model.status().message();
  for (const WeightDecl& d : WeightsOf((*model)->spec, ConfigView::Naming::kHuggingFace)) {
    EXPECT_EQ(d.add, IsMatrix(d.ref.role) ? 0 : 1) << d.name;
  }
  for (const WeightDecl& d : WeightsOf((*model)->spec, ConfigView::Naming::kGguf)) {
    EXPECT_EQ(d.add, 0) << d.name;
  }
}

class EncoderTest : public ::testing::TestWithParam<const char*> {};

float EncoderDistance(const char* name, const std::function<void(ModelSpec&)>& disturb) {
  std::vector<int32_t> ids;
  std::vector<float> want;
  auto file = OpenSafetensors(PathOf(name) + "/golden.safetensors");
  EXPECT_TRUE(file.ok());
  testing::AppendTensor(*file, "prompt_ids", &ids);
  testing::AppendTensor(*file, "vector", &want);
  auto model = OpenForTest(PathOf(name), 2, disturb);
  EXPECT_TRUE(model.ok()) << model.status().message();
  auto encoder = Encoder::Create(**model, true);
  EXPECT_TRUE(encoder.ok()) << encoder.status().message();
  auto vector = (*encoder)->Embed(ids);
  EXPECT_TRUE(vector.ok()) << vector.status().message();
  EXPECT_EQ(vector->size(), want.size());
  float worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::abs((*vector)[i] - want[i]));
  }
  return worst;
}

TEST_P(EncoderTest, ExactEqualsTransformersAndSeesAFault) {
  EXPECT_LE(EncoderDistance(GetParam(), nullptr), kTolerance / 10);
  const std::vector<Fault> faults = {
      {"scale", [](ModelSpec& s) { s.attention_scale *= 1.1F; }},
      {"pooling",
       [](ModelSpec& s) {
         s.pooling = s.pooling == Pooling::kCls ? Pooling::kMean : Pooling::kCls;
       }},
      {"length", [](ModelSpec& s) { s.normalize = true; }},
      {"epsilon", [](ModelSpec& s) { s.norm_eps = 0.1F; }},
  };
  for (const Fault& fault : faults) {
    EXPECT_GE(EncoderDistance(GetParam(), fault.disturb), 20 * kTolerance) << fault.what;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EncoderTest, ::testing::Values("bert-mean", "bert-cls"),
                         [](const auto& param) { return std::string(param.param).substr(5); });

TEST(EncoderTest, RefusesWhatItCannotRead) {
  auto model = OpenForTest(PathOf("bert-mean"));
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(Session::Create(**model, {}).ok()) << "an encoder generates nothing";
  auto encoder = Encoder::Create(**model, false);
  ASSERT_TRUE(encoder.ok()) << encoder.status().message();
  EXPECT_FALSE((*encoder)->Embed({}).ok());
  EXPECT_FALSE((*encoder)->Embed(std::vector<int32_t>(161, 1)).ok());
  EXPECT_FALSE((*encoder)->Embed(std::vector<int32_t>{131000}).ok());
  auto generator = OpenForTest(PathOf("qwen3"));
  ASSERT_TRUE(generator.ok());
  EXPECT_FALSE(Encoder::Create(**generator, false).ok());
}

}  // namespace
}  // namespace wring
