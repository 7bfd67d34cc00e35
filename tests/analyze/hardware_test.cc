#include "analyze/hardware.h"

#include <gtest/gtest.h>

#include "analyze/report.h"
#include "analyze/verify.h"
#include "bench/random_model.h"

namespace wring::analyze {
namespace {

TEST(HardwareTest, AnUnknownMachineListsTheKnownOnes) {
  const auto none = FindHardware("h1000");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), Code::kNotFound);
  for (const Hardware& h : AllHardware())
    EXPECT_NE(none.status().message().find(h.name), std::string::npos);
}

TEST(HardwareTest, WhatIsWrittenIsReadAgain) {
  Hardware h = *FindHardware("h100");
  h.constants[static_cast<size_t>(Unit::kAttention)] = {
      .compute = 0.3, .memory = 0.9, .start = 2e-6, .beside = 1e-9, .unpack = 4, .meet = 3e-6};
  h.caches = {{"L2", 2e6, 3e11}, {"L3", 32e6, 0}};
  h.meeting = 5e-7;
  const auto again = ParseHardware(HardwareJson(h), "text");
  ASSERT_TRUE(again.ok()) << again.status().message();
  ASSERT_EQ(again->size(), 1U);
  const Hardware& r = (*again)[0];
  EXPECT_EQ(r.title, h.title);
  EXPECT_DOUBLE_EQ(r.bandwidth, h.bandwidth);
  EXPECT_DOUBLE_EQ(r.Peak({"f16"}), h.Peak({"f16"}));
  for (size_t u = 0; u < kUnits; ++u) {
    EXPECT_DOUBLE_EQ(r.constants[u].compute, h.constants[u].compute);
    EXPECT_DOUBLE_EQ(r.constants[u].memory, h.constants[u].memory);
    EXPECT_NEAR(r.constants[u].start, h.constants[u].start, 1e-15);
    EXPECT_NEAR(r.constants[u].beside, h.constants[u].beside, 1e-18);
    EXPECT_NEAR(r.constants[u].meet, h.constants[u].meet, 1e-15);
    EXPECT_EQ(r.constants[u].tile, h.constants[u].tile);
  }
  ASSERT_EQ(r.caches.size(), 2U);
  EXPECT_EQ(r.caches[1].name, "L3");
  EXPECT_DOUBLE_EQ(r.caches[0].bytes, 2e6);
  EXPECT_DOUBLE_EQ(r.caches[0].bandwidth, 3e11);
  EXPECT_NEAR(r.meeting, 5e-7, 1e-15);
}

TEST(HardwareTest, ABadMachineIsOneSentence) {
  for (
      const char* text :
      {"", "[", "7", "{}", R"({"name": "x"})", R"({"name": 3, "memory_gb": 1})",
       R"({"name": "x", "memory_gb": -1, "bandwidth_gb_s": 5, "tflops": {"f32": 1}})",
       R"({"name": "x", "memory_gb": 1, "bandwidth_gb_s": 5})",
       R"({"name": "x", "memory_gb": 1, "bandwidth_gb_s": 5, "tflops": {}})",
       R"({"name": "x", "memory_gb": 1, "bandwidth_gb_s": 5, "tflops": {"f32": 1}, "caches": [{}]})",
       R"({"name": "x", "memory_gb": 1, "bandwidth_gb_s": 5, "tflops": {"f32": 1}, "caches": 7})",
       R"({"name": "x", "memory_gb": 1, "bandwidth_gb_s": 5, "tflops": {"f32": "1"}})",
       R"({"name": "x", "title": 5, "memory_gb": 1, "bandwidth_gb_s": 5, "tflops": {"f32": 1}})"}) {
    const auto machine = ParseHardware(text, "mine.json");
    ASSERT_FALSE(machine.ok()) << text;
    EXPECT_TRUE(machine.status().message().starts_with("mine.json: "))
        << machine.status().message();
  }
}

TEST(PredictTest, TheBindingRoofIsNamed) {
  Hardware h = *FindHardware("a100");  // 312 TFLOP/s, 2039 GB/s: 153 operations a byte
  OpCost op;
  op.unit = Unit::kPlainMatrix;
  op.cost.weights = 1e9;
  op.cost.flops = 100e9;
  EXPECT_EQ(Predict(op, h).bound, Bound::kMemory);
  EXPECT_DOUBLE_EQ(Predict(op, h).seconds, 1e9 / 2039e9);
  op.cost.flops = 200e9;
  EXPECT_EQ(Predict(op, h).bound, Bound::kCompute);
  EXPECT_DOUBLE_EQ(Predict(op, h).seconds, 200e9 / 312e12);
  h.constants[static_cast<size_t>(Unit::kPlainMatrix)].start = 1;
  EXPECT_EQ(Predict(op, h).bound, Bound::kStart);
}

// Weights lie where a step's weights and cache fit, activations where what one op reads and writes of them fits.
TEST(LevelsTest, BytesComeFromTheNearestLevelThatKeptThem) {
  Hardware h = *FindHardware("epyc-9654");
  h.caches = {{"L2", 2e6, 0}, {"L3", 100e6, 0}};
  OpCost op;
  op.cost.weights = 3e6;
  op.cost.in = 1e5;
  op.cost.out = 3e5;
  op.step_bytes = 50e6;
  LevelBytes bytes = BytesByLevel(op, h);
  EXPECT_DOUBLE_EQ(bytes.caches[0], 4e5);
  EXPECT_DOUBLE_EQ(bytes.caches[1], 3e6);
  EXPECT_DOUBLE_EQ(bytes.memory, 0);
  op.step_bytes = 120e6;  // of twice what the last cache keeps half is there
  EXPECT_NEAR(BytesByLevel(op, h).memory, 1.5e6, 1);
  op.cost.kv_read = 1e6;
  op.fresh = 0.25;
  bytes = BytesByLevel(op, h);
  EXPECT_DOUBLE_EQ(bytes.memory, (3e6 + 0.75e6) / 2);
  op.cost.in = 1.4e6;  // half way between what a near cache keeps and what it loses
  op.cost.out = 0;
  op.fresh = 0;
  EXPECT_NEAR(BytesByLevel(op, h).caches[0], 0.7e6, 1);
  op.cost.in = 1e5;
  op.cost.out = 3e5;
  op.fresh = 0.25;
  EXPECT_DOUBLE_EQ(bytes.caches[0], 4e5 + 0.25e6);
  EXPECT_DOUBLE_EQ(bytes.caches[0] + bytes.caches[1] + bytes.memory, op.cost.bytes());
  h.caches.clear();
  EXPECT_DOUBLE_EQ(BytesByLevel(op, h).memory, op.cost.bytes());
  // A cache that is as fast as memory says nothing of time; one that is faster takes its bytes' time away.
  h.caches = {{"L2", 2e6, 0}, {"L3", 100e6, 0}};
  const double same = LoadOf(op, h).memory;
  EXPECT_DOUBLE_EQ(same, op.cost.bytes() / h.bandwidth);
  h.caches[0].bandwidth = 10 * h.bandwidth;
  EXPECT_LT(LoadOf(op, h).memory, same);
}

// Two threads share three blocks of one unit as two and one, and of one unit alone the second has none.
TEST(LoadTest, TheBusiestThreadSetsThePaceOfAttention) {
  Hardware h = *FindHardware("epyc-9654");
  h.threads = 2;
  OpCost op;
  op.unit = Unit::kAttention;
  op.pieces = 1;
  op.blocks = 3;
  op.expanded = 30;
  Load load = LoadOf(op, h);
  EXPECT_DOUBLE_EQ(load.expanded, 20);
  EXPECT_EQ(load.meetings, 1);
  op.blocks = 1;
  load = LoadOf(op, h);
  EXPECT_DOUBLE_EQ(load.expanded, 30);
  EXPECT_EQ(load.meetings, 0);
  op.pieces = 9;  // chunks of two: five of them
  op.blocks = 9;
  EXPECT_DOUBLE_EQ(LoadOf(op, h).expanded, 30 * 5 / 9.0);
  h.threads = 1;
  EXPECT_DOUBLE_EQ(LoadOf(op, h).expanded, 30);
}

// Every format of the report holds every op, and none an impossible number.
TEST(ReportTest, EveryFormHoldsEveryOp) {
  const auto shape = bench::ParseShape("llama-3-8b:Q4_K");
  ASSERT_TRUE(shape.ok());
  const Matrices matrices(shape->spec, *shape->format, true);
  ReportOptions options;
  options.cost.gpu = true;
  options.cost.activation_bytes = 2;
  options.phases = {Prefill(1, 512), Decode(1, 0), Decode(64, 4096), Chunk(256, 0, 8, 100),
                    Verify(2, 10, 4)};
  const Report report = Analyze(shape->spec, matrices, *FindHardware("h100"), options);
  for (const std::string& text :
       {ReportText(report), ReportCsv(report), ReportJson(report), ReportHtml(report)}) {
    for (const PhaseReport& p : report.phases) {
      for (const OpCost& op : p.ops) EXPECT_NE(text.find(op.name), std::string::npos) << op.name;
    }
    EXPECT_NE(text.find("L2"), std::string::npos);
    EXPECT_EQ(text.find("nan"), std::string::npos);
    EXPECT_EQ(text.find(">inf"), std::string::npos);
  }
  EXPECT_EQ(ReportHtml(report).find("http://"),
            ReportHtml(report).find("http://www.w3.org"));  // nothing is fetched
  for (const PhaseReport& p : report.phases)
    EXPECT_NEAR(p.level_total.caches[0] + p.level_total.memory, p.total.bytes(), 1);
  double seconds = 0;
  for (const Predicted& p : report.phases[0].times) seconds += p.seconds;
  EXPECT_DOUBLE_EQ(seconds, report.phases[0].seconds);
}

// The processor's executor times as many ops as are priced, and each of them ran.
TEST(TimeOpsTest, EveryOpOfAStepIsTimedAndPriced) {
  const auto shape = bench::ParseShape("layers=2,hidden=256,heads=4,kv=2,ffn=512,vocab=500:Q4_0");
  ASSERT_TRUE(shape.ok());
  const auto file = bench::RandomModelFile::Write(*shape, nullptr);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ModelOptions open;
  open.threads = 2;
  open.need_text = false;
  const auto model = Model::Open(file->path(), open);
  ASSERT_TRUE(model.ok()) << model.status().message();
  for (const Workload& work : {Prefill(1, 70), Decode(3, 100), Chunk(20, 64, 2, 30)}) {
    double whole = 0;
    const auto timed = TimeOps(**model, work, {}, 2, &whole);
    ASSERT_TRUE(timed.ok()) << timed.status().message();
    Verification v;
    Compare(work, *timed, whole, *FindHardware("epyc-9654"), &v);
    ASSERT_EQ(v.phases.size(), 1U);
    EXPECT_GT(v.phases[0].measured, 0) << work.name;
    EXPECT_EQ(v.phases[0].measured, whole);
    const auto once = TimeOps(**model, work, {}, 0);
    ASSERT_TRUE(once.ok()) << once.status().message();
    for (const TimedOp& t : *once) EXPECT_GT(t.seconds, 0) << t.op.name;
    uint32_t layers = 0;
    for (const TimedOp& t : *timed) {
      EXPECT_GT(t.seconds, 0) << t.op.name;
      layers += t.op.kind == OpKind::kAttend ? 1 : 0;
    }
    EXPECT_EQ(layers, 2U);
  }
}

}  // namespace
}  // namespace wring::analyze
