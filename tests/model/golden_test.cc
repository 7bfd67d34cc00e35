// Tiny random checkpoints against float64 logits of transformers, and proof that each golden sees a fault.
#include <gtest/gtest.h>

#include <cmath>

#include "formats/safetensors.h"
#include "support/checkpoint.h"
#include "support/test_data.h"

namespace wring {
namespace {

using testing::OpenForTest;
using testing::RunTeacherForced;

constexpr float kTolerance = 1e-4F;

struct Golden {
  std::vector<int32_t> prompt, decode;
  std::vector<float> logits;  // prefill, then decode
};

template <typename T>
void Append(const TensorFile& file, const std::string& name, std::vector<T>* out) {
  const TensorRecord* t = file.Find(name);
  ASSERT_NE(t, nullptr) << name;
  const size_t old = out->size();
  out->resize(old + t->elements());
  std::memcpy(out->data() + old, file.Bytes(*t).data(), t->bytes);
}

class GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = (testing::TreeDir() / "tests/goldens/models" / GetParam()).string();
    auto file = OpenSafetensors(path_ + "/golden.safetensors");
    ASSERT_TRUE(file.ok()) << file.status().message();
    Append(*file, "prompt_ids", &golden_.prompt);
    Append(*file, "decode_ids", &golden_.decode);
    Append(*file, "prefill_logits", &golden_.logits);
    Append(*file, "decode_logits", &golden_.logits);
  }

  // Largest distance from the golden, of prefill and of decode.
  std::pair<float, float> Distance(const std::function<void(ModelSpec&)>& disturb,
                                   bool exact = true, uint32_t threads = 1) {
    auto model = OpenForTest(path_, threads, disturb);
    EXPECT_TRUE(model.ok()) << model.status().message();
    SessionOptions options;
    options.exact = exact;
    auto run = RunTeacherForced(**model, options, golden_.prompt, golden_.decode);
    EXPECT_TRUE(run.ok()) << run.status().message();
    EXPECT_EQ(run->values.size(), golden_.logits.size());
    float worst[2] = {0, 0};
    const size_t prefill = golden_.prompt.size() * (*model)->spec.vocab;
    for (size_t i = 0; i < golden_.logits.size(); ++i) {
      float& w = worst[i < prefill ? 0 : 1];
      w = std::max(w, std::abs(run->values[i] - golden_.logits[i]));
    }
    return {worst[0], worst[1]};
  }

  std::string path_;
  Golden golden_;
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
  sees("rope off", [](ModelSpec& s) { s.rope = false; });
  sees("theta", [](ModelSpec& s) { s.rope_theta *= 2; });
  sees("attention scale", [](ModelSpec& s) { s.attention_scale *= 1.1F; });
  auto model = OpenForTest(path_);
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
