// The tables of "AI and Memory Wall" (Gholami et al. 2024), from the engine's own op list.
#include "analyze/paper.h"

#include <gtest/gtest.h>

#include <cmath>

namespace wring::analyze {
namespace {

struct Row {
  const char* model;
  uint32_t length;
  double
      values[3]
            [3];  // projections, attention, feed-forward: 10^9 operations, 10^9 elements, intensity
};
constexpr Row kRows[] = {
    {"bert-base", 128, {{7.25, 0.038, 192.00}, {0.60, 0.009, 63.62}, {14.50, 0.068, 211.86}}},
    {"bert-base", 512, {{28.99, 0.066, 438.86}, {9.62, 0.094, 101.95}, {57.98, 0.104, 558.55}}},
    {"bert-base",
     4096,
     {{231.93, 0.330, 702.17}, {616.02, 4.983, 123.63}, {463.86, 0.434, 1068.52}}},
    {"bert-large", 128, {{25.77, 0.126, 204.80}, {1.60, 0.025, 63.62}, {51.54, 0.233, 221.41}}},
    {"bert-large", 512, {{103.08, 0.201, 512.00}, {25.66, 0.252, 101.95}, {206.16, 0.327, 630.15}}},
    {"bert-large",
     4096,
     {{824.63, 0.906, 910.22}, {1642.72, 13.288, 123.63}, {1649.27, 1.208, 1365.33}}},
    {"gpt2", 128, {{7.25, 3.633, 1.99}, {0.30, 0.157, 1.92}, {14.50, 7.260, 2.00}}},
    {"gpt2", 512, {{28.99, 14.533, 1.99}, {4.82, 2.468, 1.95}, {57.98, 29.038, 2.00}}},
    {"gpt2", 4096, {{231.93, 116.27, 1.99}, {308.07, 157.15, 1.96}, {463.86, 232.31, 2.00}}},
};

ModelSpec SpecOf(std::string_view model) {
  if (model == "bert-large") return PlainTransformer(24, 1024, 16, 4096, false);
  return PlainTransformer(12, 768, 12, 3072, model == "gpt2");
}

TEST(PaperTest, OperationsElementsAndIntensitiesAreThePapers) {
  for (const Row& row : kRows) {
    const PaperCosts c = CountAsPaper(SpecOf(row.model), row.length);
    const PaperCost parts[3] = {c.projections, c.attention, c.ffn};
    for (int i = 0; i < 3; ++i) {
      const auto what =
          std::string(row.model) + " " + std::to_string(row.length) + " part " + std::to_string(i);
      EXPECT_NEAR(parts[i].flops / 1e9, row.values[i][0], 0.0051) << what;
      EXPECT_NEAR(parts[i].mops / 1e9, row.values[i][1], row.values[i][1] < 100 ? 0.00051 : 0.0051)
          << what;
      EXPECT_NEAR(parts[i].intensity(), row.values[i][2], 0.0051) << what;
    }
  }
}

// Inference operations that the paper's repository lists (README, "NLP Models").
TEST(PaperTest, WholeModelsHaveTheListedOperations) {
  struct Listed {
    const char* name;
    uint32_t layers, hidden, heads, ffn, length;
    double gflops;
  };
  constexpr Listed kListed[] = {
      {"BERT Large", 24, 1024, 16, 4096, 512, 340},
      {"GPT-1", 12, 768, 12, 3072, 512, 96},
      {"GPT-2", 48, 1600, 25, 6400, 1024, 3400},
      {"Megatron", 72, 3072, 32, 12288, 1024, 18000},
      {"ALBERT xxl", 12, 4096, 64, 16384, 512, 2500},
      {"T-NLG", 78, 4256, 28, 17024, 1024, 36000},
      {"ELECTRA Large", 24, 1024, 16, 4096, 128, 79},
      {"GPT-3", 96, 12288, 96, 49152, 2048, 740000},
  };
  for (const Listed& m : kListed) {
    const PaperCost c =
        CountAsPaper(PlainTransformer(m.layers, m.hidden, m.heads, m.ffn, false), m.length).all();
    EXPECT_NEAR(c.flops / 1e9 / m.gflops, 1, 0.025) << m.name;
  }
}

}  // namespace
}  // namespace wring::analyze
