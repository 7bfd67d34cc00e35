// Quantised Hugging Face checkpoints: every weight equals the method's own formula to the bit, and the model's logits
// are those of the dequantised weights.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/arch/architecture.h"
#include "quant/checkpoint/checkpoint.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

// FNV-1a, 64 bit.
std::string Hash(const PackedMatrix& m) {
  uint64_t state = 0xcbf29ce484222325ULL;
  std::vector<float> row(m.cols);
  for (uint32_t r = 0; r < m.rows; ++r) {
    m.DequantRow(r, row.data());
    for (const std::byte b : std::as_bytes(std::span(row))) {
      state = (state ^ static_cast<uint64_t>(b)) * 0x100000001b3ULL;
    }
  }
  return fmt::format("{:016x}", state);
}

class QuantizedTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string path() const {
    return (testing::TreeDir() / "tests/goldens/quantized" / GetParam()).string();
  }
};

TEST_P(QuantizedTest, WeightsEqualTheReferenceFormulaBitForBit) {
  std::ifstream in(path() + "/golden.json");
  const auto golden = nlohmann::json::parse(in)["fnv1a_of_values"];
  for (const bool repack : {true, false}) {
    ModelOptions options;
    options.need_text = false;
    options.repack = repack;
    auto model = Model::Open(path(), options);
    ASSERT_TRUE(model.ok()) << model.status().message();
    size_t compared = 0;
    for (const WeightDecl& d : WeightsOf((*model)->spec, ConfigView::Naming::kHuggingFace)) {
      if (!golden.contains(d.name)) continue;
      EXPECT_EQ(Hash((*model)->weights->matrix(d.ref)), golden[d.name].get<std::string>())
          << d.name;
      ++compared;
    }
    EXPECT_EQ(compared, golden.size());
  }
}

TEST_P(QuantizedTest, LogitsAreThoseOfTheDequantisedWeights) {
  testing::Golden golden;
  golden.Read(path());
  SessionOptions options;
  options.exact = true;
  const auto [prefill, decode] = golden.Distance(options);
  EXPECT_LE(prefill, testing::kGoldenTolerance);
  EXPECT_LE(decode, testing::kGoldenTolerance);
  const auto [shipped_prefill, shipped_decode] = golden.Distance({});
  EXPECT_LE(std::max(shipped_prefill, shipped_decode), 0.5F) << "8-bit activations";
}

// "fp8" says nothing of weights alone; compressed-tensors says what activations are to be.
TEST(QuantMethodTest, TellsWhetherActivationsAreToBeFloat8) {
  const std::string group =
      R"({"format": "float-quantized", "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}%}},)";
  const auto compressed = [&](const std::string& inputs) {
    std::string text = group;
    return text.replace(text.find('%'), 1, inputs) + R"("quant_method": "compressed-tensors"})";
  };
  for (const auto& [text, want] :
       {std::pair{std::string(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})"), true},
        {compressed(R"(, "input_activations": {"num_bits": 8, "type": "float", "dynamic": true})"),
         true},
        {compressed(R"(, "input_activations": {"num_bits": 8, "type": "int"})"), false},
        {compressed(R"(, "input_activations": null)"), false},
        {compressed(""), false}}) {
    const auto config = HfConfig::Parse(text, "config.json");
    ASSERT_TRUE(config.ok()) << text;
    const auto method = OpenQuantMethod(*config, "a checkpoint");
    ASSERT_TRUE(method.ok()) << method.status().message();
    EXPECT_EQ((*method)->float8_activations(), want) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, QuantizedTest,
                         ::testing::Values("gptq", "gptq-act-order", "awq", "w4a16",
                                           "w4a16-asymmetric", "fp8-tensor", "fp8-channel",
                                           "fp8-block"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace wring
