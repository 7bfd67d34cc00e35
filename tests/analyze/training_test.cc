#include "analyze/training.h"

#include <gtest/gtest.h>

#include "analyze/paper.h"

namespace wring::analyze {
namespace {

TrainingCost Of(const ModelSpec& spec, uint32_t batch, uint32_t length) {
  TrainingOptions o;
  o.batch = batch;
  o.length = length;
  return PriceTraining(spec, o);
}

// "Memory Breakdown" of the paper's repository; GPT-2's sequences are 1024 tokens (its table says 2014).
TEST(TrainingTest, ActivationsAreThePapers) {
  EXPECT_NEAR(Of(PlainTransformer(24, 1024, 16, 4096, false), 16, 512).activation_bytes / 14.38e9,
              1, 0.05);
  EXPECT_NEAR(Of(PlainTransformer(48, 1600, 25, 6400, true), 1, 1024).activation_bytes / 8.63e9, 1,
              0.05);
}

TEST(TrainingTest, ALayerKeepsWhatKorthikantiEtAlCount) {
  const double s = 512, b = 4, h = 1024, a = 16, layers = 24;
  EXPECT_NEAR(Of(PlainTransformer(24, 1024, 16, 4096, false), 4, 512).activation_bytes,
              layers * (34 * s * b * h + 5 * a * s * s * b) + 2 * s * b * h,
              1);  // a norm behind the embedding
}

TEST(TrainingTest, RematerialisingCostsAThirdMoreAndKeepsLittle) {
  const TrainingCost c = Of(PlainTransformer(24, 1024, 16, 4096, false), 16, 512);
  EXPECT_NEAR(c.rematerialized_flops / c.flops, 4.0 / 3, 0.001);
  EXPECT_LT(c.rematerialized_bytes, 0.1 * c.activation_bytes);
  EXPECT_NEAR(c.optimizer_bytes, 2 * c.parameter_bytes, 1);
}

}  // namespace
}  // namespace wring::analyze
