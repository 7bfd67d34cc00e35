// Tiny random checkpoints against float64 logits of transformers, and proof that each golden sees a fault.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace wring {
namespace {

using testing::OpenForTest;

constexpr float kTolerance = testing::kGoldenTolerance;

class GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    golden_.Read((testing::TreeDir() / "tests/goldens/models" / GetParam()).string());
  }
  std::pair<float, float> Distance(const std::function<void(ModelSpec&)>& disturb,
                                   bool exact = true) {
    SessionOptions options;
    options.exact = exact;
    return golden_.Distance(options, disturb);
  }

  testing::Golden golden_;
};

TEST_P(GoldenTest, ExactEqualsTransformers) {
  const auto [prefill, decode] = Distance(nullptr);
  EXPECT_LE(prefill, kTolerance);
  EXPECT_LE(decode, kTolerance);
}

TEST_P(GoldenTest, Fp16CacheStaysClose) {
  // Weights here are float, so only the KV cache is rounded as shipped.
  const auto [prefill, decode] = Distance(nullptr, false);
  EXPECT_LE(std::max(prefill, decode), 5e-2F);
}

TEST_P(GoldenTest, SeesAFault) {
  const auto sees = [&](const char* what, const std::function<void(ModelSpec&)>& disturb) {
    const auto [prefill, decode] = Distance(disturb);
    EXPECT_GE(prefill, 20 * kTolerance) << what;
    EXPECT_GE(decode, 20 * kTolerance) << what;
  };
  sees("rope off", [](ModelSpec& s) { s.rotary = false; });
  sees("theta", [](ModelSpec& s) { s.ropes[0].theta *= 2; });
  sees("attention scale", [](ModelSpec& s) { s.attention_scale *= 1.1F; });
  auto model = OpenForTest(golden_.path);
  ASSERT_TRUE(model.ok());
  if ((*model)->spec.kv_heads > 1 && (*model)->spec.group() > 1) {
    sees("head mapping", [](ModelSpec& s) { s.head_mapping = HeadMapping::kStrided; });
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenTest,
                         ::testing::Values("llama-gqa", "llama-mha-tied", "llama-mha-untied",
                                           "llama-head-dim", "llama-attention-bias", "llama-odd",
                                           "llama-bf16", "llama-f16-sharded", "qwen2-tied",
                                           "qwen2-untied"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace wring
