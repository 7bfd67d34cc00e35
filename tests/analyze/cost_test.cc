// Prices against sums done by hand, and what the engine itself holds.
#include "analyze/cost.h"

#include <gtest/gtest.h>

#include <cmath>

#include "analyze/attend_work.h"
#include "base/checked.h"
#include "bench/random_model.h"
#include "engine/outline.h"
#include "kernels/cpu/isa.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring::analyze {
namespace {

ModelSpec SpecOf(const char* shape) {
  auto parsed = bench::ParseShape(shape);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed->spec;
}

const OpCost& Named(const std::vector<OpCost>& ops, std::string_view name) {
  for (const OpCost& op : ops) {
    if (op.name == name) return op;
  }
  ADD_FAILURE() << "no op " << name;
  return ops[0];
}

class CostTest : public ::testing::Test {
 protected:
  // 4 layers, 8 query heads of 64 over 2 KV heads.
  ModelSpec spec_ = SpecOf("layers=4,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:F16");
  Matrices matrices_{spec_, Format(FormatId::kF16), false};
};

TEST_F(CostTest, ADecodeStepReadsEveryWeightOnceAndTwoOperationsAParameter) {
  const auto ops = Price(spec_, matrices_, Decode(3, 100), {});
  const double products = 4.0 * (512 * (512 + 2 * 128) + 512 * 512 + 3 * 512 * 1024) + 512.0 * 1000;
  double flops = 0;
  double weights = 0;
  for (const OpCost& op : ops) {
    if (op.kind == OpKind::kLinear) flops += op.total().flops;
    if (op.kind == OpKind::kLinear) weights += op.total().weights;
  }
  EXPECT_EQ(flops, 2 * 3 * products);
  EXPECT_EQ(weights, 2 * (products + 512.0 * 8));  // whole panels: 1008 rows of the head
}

TEST_F(CostTest, AProcessorsProductIsPricedByWhatItsFormatAsksOfTheKernel) {
  const Matrices packed(spec_, Format(FormatId::kQ8_0), false);
  const double effort = cpu::BestKernels().linear[static_cast<size_t>(FormatId::kQ8_0)].int8_effort;
  const OpCost op = Named(Price(spec_, packed, Decode(3, 100), {}), "down");
  EXPECT_DOUBLE_EQ(op.done, effort * op.cost.flops);
  const OpCost plain = Named(Price(spec_, matrices_, Decode(3, 100), {}), "down");
  EXPECT_EQ(plain.done, plain.cost.flops);
  EXPECT_EQ(op.cost.flops, plain.cost.flops);
}

TEST_F(CostTest, APromptOfOnePieceCostsAsItsChunks) {
  const Cost whole = Named(Price(spec_, matrices_, Prefill(1, 300), {}), "attend").total();
  double flops = 0;
  for (const uint32_t at : {0U, 100U, 200U}) {
    Workload w;
    w.sequences = {{at, 100, 0}};
    flops += Named(Price(spec_, matrices_, w, {}), "attend").total().flops;
  }
  EXPECT_DOUBLE_EQ(whole.flops, flops);
}

TEST_F(CostTest, PairsOfAWindowAreCounted) {
  for (const SequenceWork s :
       {SequenceWork{0, 10, 1}, {5, 10, 1}, {30, 4, 1}, {0, 100, 1}, {7, 1, 1}}) {
    for (const uint32_t window : {0U, 1U, 8U, 16U, 1000U}) {
      double pairs = 0;
      for (uint32_t i = 0; i < s.rows; ++i) {
        const uint32_t seen = s.cached + i + 1;
        pairs += window != 0 ? std::min(seen, window) : seen;
      }
      EXPECT_EQ(Pairs(s, true, window), pairs) << s.cached << " " << s.rows << " " << window;
    }
  }
  EXPECT_EQ(Pairs({0, 7, 1}, false, 0), 49);
}

// What another calculator of this kind got wrong; one test each.
TEST_F(CostTest, AttentionWritesHeadsTimesTheirWidthNotPairs) {
  EXPECT_EQ(Named(Price(spec_, matrices_, Prefill(2, 128), {}), "attend").cost.out,
            2 * 128 * 512 * 4.0);
}
TEST_F(CostTest, QueriesOfAPromptHaveQueryHeads) {
  EXPECT_EQ(Named(Price(spec_, matrices_, Prefill(2, 128), {}), "attend").cost.in,
            2 * 128 * 512 * 4.0);
}
TEST_F(CostTest, AGroupOfHeadsSharesOneReadOfKeysAndValues) {
  // Keys come 16 positions at a time.
  EXPECT_EQ(Named(Price(spec_, matrices_, Decode(3, 99), {}), "attend").cost.kv_read,
            3 * (112 + 100) * 128 * 2.0);
  CostOptions tile;
  tile.attention_tile = 2;  // a kernel that holds two of the four
  EXPECT_EQ(Named(Price(spec_, matrices_, Decode(3, 99), tile), "attend").cost.kv_read,
            2 * 3 * (112 + 100) * 128 * 2.0);
}
// What a processor does for it: tiles of a head's four queries over blocks of 64 positions, keys 16 at a time.
TEST_F(CostTest, AttentionIsCutIntoTilesAndBlocks) {
  const KvCodec& codec = Codec(CodecId::kF16);
  const auto& kernel = cpu::BestKernels().attend[static_cast<size_t>(codec.id)];
  const AttendWork step = AttendWorkOf(spec_, Decode(3, 100), codec, 0);
  EXPECT_EQ(step.units, 3 * 2);
  EXPECT_EQ(step.blocks, 3 * 2 * 2);
  EXPECT_EQ(step.weights, 3 * 2 * 2 * 4 * 64 * 72.0);
  EXPECT_EQ(step.multiplies, 3 * 2 * 4 * (112 + 101) * 64.0);
  EXPECT_EQ(step.elements, 3 * 512 + 3 * 2 * (16 + 1) * 64);  // the last panel of keys, one value
  EXPECT_DOUBLE_EQ(step.fresh, 1 / 101.0);
  EXPECT_FALSE(step.serial);
  const auto runs = [&](uint32_t panels) {
    return CeilDiv<uint32_t>(panels, kernel.panels_at_once(4));
  };
  EXPECT_EQ(step.passes, 3 * 2 * (runs(4) + runs(4) + runs(3) + runs(4)));
  // A prompt reads nothing that was there before; its first tile sees three positions of each head.
  const AttendWork prompt = AttendWorkOf(spec_, Prefill(1, 90), codec, 0);
  EXPECT_EQ(prompt.units, 2 * 30);
  EXPECT_EQ(prompt.passes, 0);
  EXPECT_EQ(prompt.elements, 90 * 512 + 2 * (16 + 3) * 64);
  EXPECT_EQ(prompt.fresh, 1);
  // A window leaves out the blocks before it.
  EXPECT_EQ(AttendWorkOf(spec_, Decode(1, 1000), codec, 64).blocks, 2 * 2);
  EXPECT_TRUE(AttendWorkOf(spec_, Prefill(1, 1), codec, 0).multiplies > 0);
}
TEST_F(CostTest, TheActivationHasTheWidthOfTheFeedForward) {
  EXPECT_EQ(Named(Price(spec_, matrices_, Decode(3, 0), {}), "silu_mul").cost.out, 3 * 1024 * 4.0);
}
TEST_F(CostTest, AResidualSumReadsBoth) {
  EXPECT_EQ(Named(Price(spec_, matrices_, Decode(3, 0), {}), "o").cost.in, 3 * (512 + 512) * 4.0);
}
TEST_F(CostTest, TheHeadHasTwoOperationsAWeightAndEveryRowOfTheBatch) {
  const OpCost& head = Named(Price(spec_, matrices_, Decode(5, 0), {}), "head");
  EXPECT_EQ(head.cost.flops, 2 * 5 * 512.0 * 1000);
  EXPECT_EQ(head.cost.in, 5 * 512 * 4.0);
  EXPECT_EQ(head.cost.out, 5 * 1008 * 4.0);  // whole panels
}
TEST_F(CostTest, NarrowWeightsCountWhateverTheActivationsAre) {
  const Matrices narrow(spec_, Format(FormatId::kQ4_K), false);
  EXPECT_EQ(Named(Price(spec_, narrow, Decode(1, 0), {}), "q, k, v").cost.weights,
            (512 + 2 * 128) * 2 * 148.0);
}

TEST_F(CostTest, AdaptersAddTheirProducts) {
  CostOptions lora;
  lora.lora_rank = 16;
  lora.lora_adapters = 3;
  const auto with = Named(Price(spec_, matrices_, Decode(8, 0), lora), "o").cost;
  const auto without = Named(Price(spec_, matrices_, Decode(8, 0), {}), "o").cost;
  EXPECT_EQ(with.flops - without.flops, 2 * 8 * 16 * 1024.0);
  EXPECT_EQ(with.weights - without.weights, 3 * 16 * 1024 * 2.0);
}

TEST_F(CostTest, ABudgetReadsThatManyPositionsAndTheCentroids) {
  CostOptions budget;
  budget.budget = 1000;
  budget.centroids = 0.05;
  const auto c = Named(Price(spec_, matrices_, Decode(1, 9999), budget), "attend").cost;
  EXPECT_EQ(c.kv_read, (1008 + 1000) * 128 * 2.0 + 0.05 * 10000 * 128 * 2.0);
}

// A decode step of a llama is five launches a layer, and merging changes no operation and no weight.
TEST_F(CostTest, AGpuRunsADecodeStepAsFiveLaunchesALayer) {
  CostOptions gpu;
  gpu.gpu = true;
  const auto merged = Price(spec_, matrices_, Decode(2, 100), gpu);
  uint32_t launches = 0;
  for (const OpCost& op : merged) launches += op.layers == 4 ? 1 : 0;
  EXPECT_EQ(launches, 5U);
  EXPECT_EQ(Named(merged, "norm, q, k, v").rows, 2U);
  EXPECT_EQ(Named(merged, "norm, gate, up, gate").layers, 4U);
  // Products of more than two rows leave their norm to a launch of its own.
  const auto three = Price(spec_, matrices_, Decode(3, 100), gpu);
  EXPECT_EQ(Named(three, "q, k, v").rows, 3U);
  EXPECT_EQ(Named(three, "norm").layers, 9U);  // two a layer, one before the head
  const Cost a = Total(merged);
  const Cost b = Total(Price(spec_, matrices_, Decode(2, 100), {}));
  EXPECT_DOUBLE_EQ(a.flops, b.flops);
  EXPECT_DOUBLE_EQ(a.weights, b.weights);
  EXPECT_DOUBLE_EQ(a.kv_read, b.kv_read);
  EXPECT_LT(a.in + a.out, b.in + b.out);
}

TEST(CostOfModelsTest, MatricesAreAsLargeAsTheEngineHoldsThem) {
  for (const char* name : {"models/llama-gqa", "models/llama-mha-tied", "models/qwen2-untied",
                           "architectures/gemma3", "architectures/phi3-long"}) {
    const std::string path = (testing::TreeDir() / "tests/goldens" / name).string();
    auto outline = OutlineOf(path);
    ASSERT_TRUE(outline.ok()) << outline.status().message();
    const auto formats = FormatsOf(*outline);
    ASSERT_TRUE(formats.ok()) << formats.status().message();
    const Matrices matrices(outline->spec, outline->source.weights, *formats, false);
    auto model = Model::Open(path, {});
    ASSERT_TRUE(model.ok()) << model.status().message();
    for (const WeightDecl& d : outline->source.weights) {
      if (!IsMatrix(d.ref.role)) continue;
      EXPECT_EQ(matrices.of(d.ref).bytes,
                static_cast<double>((*model)->weights->matrix(d.ref).bytes()))
          << name << " " << d.name;
    }
    EXPECT_EQ(matrices.parameters(), static_cast<double>((*model)->weights->parameters())) << name;
  }
}

}  // namespace
}  // namespace wring::analyze
