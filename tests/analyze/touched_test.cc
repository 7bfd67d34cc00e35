// What kernels really read and write, counted in a build for that (make count), is what prices say, byte for byte.
#include "base/touched.h"

#include <gtest/gtest.h>

#include <thread>

#include "analyze/verify.h"
#include "bench/random_model.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring::analyze {
namespace {

using touched::What;

TEST(TouchedTest, RangesAreUnitedWhateverThreadNotedThem) {
  const std::byte memory[1000] = {};
  touched::Collect();
  touched::Note(What::kWeights, memory, 100);
  touched::Note(What::kWeights, memory + 100, 50);
  std::thread([&] { touched::Note(What::kWeights, memory + 120, 80); }).join();
  touched::Note(What::kWeights, memory + 500, 10);
  touched::Note(What::kOut, memory, 7);
  {
    const touched::Pause pause;
    if (touched::kCounted) touched::Note(What::kIn, memory, 1000);
  }
  EXPECT_EQ(touched::Collect(), (touched::Bytes{210, 0, 7, 0, 0}));
  EXPECT_EQ(touched::Collect(), touched::Bytes{});
}

struct Case {
  const char* model;  // a shape, or a golden's folder
  CodecId codec;
};

class TouchedOpsTest : public ::testing::TestWithParam<Case> {};

void Compare(const std::string& path, CodecId codec, const Workload& work) {
  ModelOptions options;
  options.threads = 2;
  options.need_text = false;
  auto model = Model::Open(path, options);
  ASSERT_TRUE(model.ok()) << model.status().message();
  CostOptions cost;
  cost.codec = &Codec(codec);
  const auto timed = TimeOps(**model, work, cost, 1);
  ASSERT_TRUE(timed.ok()) << timed.status().message();
  for (const TimedOp& t : *timed) {
    const Cost& c = t.op.cost;
    const touched::Bytes priced = {static_cast<uint64_t>(c.weights), static_cast<uint64_t>(c.in),
                                   static_cast<uint64_t>(c.out), static_cast<uint64_t>(c.kv_read),
                                   static_cast<uint64_t>(c.kv_written)};
    if (t.op.kind == OpKind::kEmbed) continue;  // a gather: it is not a kernel that reads rows
    EXPECT_EQ(t.touched, priced) << t.op.name << ", " << work.name;
  }
}

TEST_P(TouchedOpsTest, EveryOpTouchesWhatItsPriceSays) {
  if (!touched::kCounted) GTEST_SKIP() << "kernels count nothing in this build: make count";
  std::string path = (testing::TreeDir() / "tests/goldens" / GetParam().model).string();
  std::optional<bench::RandomModelFile> file;
  if (std::string_view(GetParam().model).find('=') != std::string_view::npos) {
    auto shape = bench::ParseShape(GetParam().model);
    ASSERT_TRUE(shape.ok()) << shape.status().message();
    auto written = bench::RandomModelFile::Write(*shape, nullptr);
    ASSERT_TRUE(written.ok()) << written.status().message();
    file.emplace(std::move(*written));
    path = file->path();
  }
  Workload mixed = Chunk(13, 70, 2, 33);
  mixed.name = "mixed";
  for (const Workload& work : {Decode(1, 0), Decode(1, 99), Decode(3, 64), Prefill(1, 2),
                               Prefill(2, 50), Prefill(1, 131), mixed})
    Compare(path, GetParam().codec, work);
}

// 4 query heads of 32 to a KV head.
#define WRING_SHAPE "layers=2,hidden=256,heads=8,kv=2,ffn=512,vocab=512:"
INSTANTIATE_TEST_SUITE_P(
    Formats, TouchedOpsTest,
    ::testing::Values(
        Case{WRING_SHAPE "F16", CodecId::kF16}, Case{WRING_SHAPE "F32", CodecId::kF32},
        Case{WRING_SHAPE "BF16", CodecId::kI8}, Case{WRING_SHAPE "Q8_0", CodecId::kF16},
        Case{WRING_SHAPE "Q4_0", CodecId::kI8}, Case{WRING_SHAPE "Q5_1", CodecId::kF16},
        Case{WRING_SHAPE "Q4_K", CodecId::kF16}, Case{WRING_SHAPE "Q6_K", CodecId::kI8},
        Case{WRING_SHAPE "IQ4_XS", CodecId::kF32},
        Case{"layers=1,hidden=192,heads=6,kv=2,ffn=320,vocab=256:Q8_0", CodecId::kF16},
        Case{"models/llama-gqa", CodecId::kI8}, Case{"architectures/gemma3", CodecId::kF16},
        Case{"architectures/qwen3", CodecId::kF16}, Case{"quantized/gptq", CodecId::kF16},
        Case{"quantized/fp8-block", CodecId::kF16}),
    [](const auto& of) {
      std::string name = fmt::format("{}_{}", of.param.model, Codec(of.param.codec).name);
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
      return name;
    });
#undef WRING_SHAPE

}  // namespace
}  // namespace wring::analyze
