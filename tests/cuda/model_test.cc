// Whole models on a GPU: the same goldens as on the CPU with 16-bit tolerance, every weight format beside the CPU's
// float32 arithmetic, and bits that do not depend on how tokens are cut into steps.
#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "bench/random_model.h"
#include "cuda/gpu.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

class ModelGpuTest : public testing::GpuTest {
 protected:
  Result<std::unique_ptr<Model>> Open(const std::string& path, bool gpu,
                                      const std::function<void(ModelSpec&)>& disturb = nullptr) {
    ModelOptions options;
    options.need_text = false;
    options.device = gpu ? gpu_ : nullptr;
    WRING_ASSIGN(auto model, Model::Open(path, options));
    if (disturb) disturb(model->spec);
    return model;
  }
  // ||a - b|| / ||b|| over all logits.
  static double Relative(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    if (a.size() != b.size()) return INFINITY;
    return testing::Distance(a, b);
  }
  static std::vector<int32_t> Tokens(uint32_t count, uint32_t vocab) {
    std::vector<int32_t> ids;
    for (uint32_t i = 0; i < count; ++i)
      ids.push_back(static_cast<int32_t>(Philox({i, 0, 0, 0}, 9)[0] % vocab));
    return ids;
  }
  // Logits of all tokens, appended in steps of `chunk`.
  static std::vector<float> LogitsIn(Model& model, const SessionOptions& options,
                                     std::span<const int32_t> ids, size_t chunk) {
    auto session = Session::Create(model, options);
    if (!session.ok()) {
      ADD_FAILURE() << session.status().message();
      return {};
    }
    std::vector<float> out;
    for (size_t at = 0; at < ids.size(); at += chunk) {
      const auto n = std::min(chunk, ids.size() - at);
      const Status s =
          (*session)->AppendAll(ids.subspan(at, n), [&](size_t, std::span<const float> row) {
            out.insert(out.end(), row.begin(), row.end());
          });
      EXPECT_TRUE(s.ok()) << s.message();
    }
    return out;
  }
};

class GoldenGpuTest : public ModelGpuTest, public ::testing::WithParamInterface<const char*> {
 protected:
  double Distance(const std::function<void(ModelSpec&)>& disturb) {
    auto model = Open(golden_.path, true, disturb);
    EXPECT_TRUE(model.ok()) << model.status().message();
    if (!model.ok()) return INFINITY;
    SessionOptions options;
    // The reference read all tokens at once: dynamic scalings go by that length.
    options.context = static_cast<uint32_t>(golden_.prompt.size() + golden_.decode.size());
    auto run = testing::RunTeacherForced(**model, options, golden_.prompt, golden_.decode);
    EXPECT_TRUE(run.ok()) << run.status().message();
    return run.ok() ? Relative(run->values, golden_.logits) : INFINITY;
  }
  testing::Golden golden_;
};

TEST_P(GoldenGpuTest, IsNearTransformersAndSeesAFault) {
  golden_.Read((testing::TreeDir() / "tests/goldens" / GetParam()).string());
  const double near = Distance(nullptr);
  EXPECT_LE(near, 2e-2);
  const auto sees = [&](const char* what, const std::function<void(ModelSpec&)>& disturb) {
    EXPECT_GE(Distance(disturb), std::max(2e-2, 4 * near)) << what;
  };
  sees("rope off", [](ModelSpec& s) { s.rotary = false; });
  sees("theta", [](ModelSpec& s) {
    for (RopeSpec& r : s.ropes) r.theta = std::sqrt(r.theta);
  });
  sees("attention scale", [](ModelSpec& s) { s.attention_scale *= 1.2F; });
  auto model = Open(golden_.path, true);
  ASSERT_TRUE(model.ok());
  if ((*model)->spec.kv_heads > 1 && (*model)->spec.group() > 1) {
    sees("head mapping", [](ModelSpec& s) { s.head_mapping = HeadMapping::kStrided; });
  }
  if ((*model)->spec.window != 0) {
    sees("window", [](ModelSpec& s) { s.window /= 2; });
  }
}

std::string PathName(const ::testing::TestParamInfo<const char*>& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(
    Checkpoints, GoldenGpuTest,
    ::testing::Values("models/llama-gqa", "models/llama-mha-tied", "models/llama-mha-untied",
                      "models/llama-head-dim", "models/llama-attention-bias", "models/llama-odd",
                      "models/llama-bf16", "models/llama-f16-sharded", "models/qwen2-tied",
                      "models/qwen2-untied", "architectures/gemma2", "architectures/gemma3",
                      "architectures/llama-dynamic", "architectures/llama-linear",
                      "architectures/llama-llama3", "architectures/llama-yarn",
                      "architectures/mistral-window", "architectures/phi3-long",
                      "architectures/phi3-partial", "architectures/qwen3"),
    PathName);

class QuantizedGpuTest : public GoldenGpuTest {};

TEST_P(QuantizedGpuTest, IsNearTheDequantisedWeights) {
  golden_.Read((testing::TreeDir() / "tests/goldens/quantized" / GetParam()).string());
  EXPECT_LE(Distance(nullptr), 2e-2);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, QuantizedGpuTest,
                         ::testing::Values("gptq", "gptq-act-order", "awq", "w4a16",
                                           "w4a16-asymmetric", "fp8-tensor", "fp8-channel",
                                           "fp8-block"),
                         PathName);

class FormatGpuTest : public ModelGpuTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(FormatGpuTest, IsNearTheCpusFloat32) {
  const auto shape = bench::ParseShape(
      std::string("layers=3,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:") + GetParam());
  ASSERT_TRUE(shape.ok()) << shape.status().message();
  auto file = bench::RandomModelFile::Write(*shape, nullptr);
  ASSERT_TRUE(file.ok());
  auto cpu = Open(file->path(), false);
  auto gpu = Open(file->path(), true);
  ASSERT_TRUE(cpu.ok() && gpu.ok()) << gpu.status().message();
  const auto ids = Tokens(300, 1000);
  SessionOptions exact;
  exact.exact = true;
  const auto reference = LogitsIn(**cpu, exact, ids, 300);
  EXPECT_LE(Relative(LogitsIn(**gpu, {}, ids, 300), reference), 5e-3) << "prefill";
  EXPECT_LE(Relative(LogitsIn(**gpu, {}, ids, 5), reference), 5e-3) << "steps of 5";
  SessionOptions int8;
  int8.kv_codec = CodecId::kI8;
  EXPECT_LE(Relative(LogitsIn(**gpu, int8, ids, 64), reference), 3e-2) << "int8 cache";
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatGpuTest,
                         ::testing::Values("F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K",
                                           "Q5_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL", "IQ4_XS",
                                           "MXFP4"));

TEST_F(ModelGpuTest, InvariantGradeGivesTheSameBitsInAnySteps) {
  for (const char* text : {"layers=2,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:Q4_K",
                           "layers=2,hidden=256,heads=4,kv=4,ffn=768,vocab=500:F16"}) {
    const auto shape = bench::ParseShape(text);
    ASSERT_TRUE(shape.ok());
    auto file = bench::RandomModelFile::Write(*shape, nullptr);
    ASSERT_TRUE(file.ok());
    auto model = Open(file->path(), true);
    ASSERT_TRUE(model.ok()) << model.status().message();
    const auto ids = Tokens(700, shape->spec.vocab);
    for (CodecId codec : {CodecId::kF16, CodecId::kI8}) {
      SessionOptions options;
      options.invariant = true;
      options.kv_codec = codec;
      const auto whole = LogitsIn(**model, options, ids, 700);
      for (const size_t chunk : {1, 7, 64, 300}) {
        const auto some = LogitsIn(**model, options, ids, chunk);
        ASSERT_EQ(some.size(), whole.size());
        EXPECT_EQ(std::memcmp(some.data(), whole.data(), some.size() * 4), 0)
            << text << ", steps of " << chunk;
      }
    }
  }
}

TEST_F(ModelGpuTest, TheSameStepGivesTheSameBits) {
  const auto shape = bench::ParseShape("layers=2,hidden=512,heads=8,kv=8,ffn=1024,vocab=1000:Q4_0");
  ASSERT_TRUE(shape.ok());
  auto file = bench::RandomModelFile::Write(*shape, nullptr);
  ASSERT_TRUE(file.ok());
  auto model = Open(file->path(), true);
  ASSERT_TRUE(model.ok());
  const auto ids = Tokens(2048, 1000);
  const auto once = LogitsIn(**model, {}, ids, 2048);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(LogitsIn(**model, {}, ids, 2048), once);
}

}  // namespace
}  // namespace wring
