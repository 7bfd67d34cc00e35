// How a model is cut among ranks: every head, column and output has one owner, keys are where their queries are.
#include "model/shard.h"

#include <gtest/gtest.h>

#include "model/step_bytes.h"

namespace wring {
namespace {

ModelSpec Spec(uint32_t heads, uint32_t kv_heads, uint32_t head_dim, uint32_t ffn) {
  ModelSpec s;
  s.architecture = "llama";
  s.layers = 1;
  s.heads = heads;
  s.kv_heads = kv_heads;
  s.head_dim = head_dim;
  s.hidden = heads * head_dim;
  s.ffn = ffn;
  s.vocab = 1000;
  return s;
}

void ExpectTiles(const std::vector<Range>& ranges, uint32_t total, const std::string& what) {
  uint32_t at = 0;
  for (Range r : ranges) {
    EXPECT_EQ(r.first, at) << what;
    EXPECT_GT(r.count, 0U) << what;
    at = r.end();
  }
  EXPECT_EQ(at, total) << what;
}

TEST(ShardTest, EveryPartHasOneOwner) {
  const struct {
    const char* name;
    ModelSpec spec;
    uint32_t most;
  } models[] = {{"smollm2", Spec(9, 3, 64, 1536), 9},
                {"gemma", Spec(4, 1, 256, 6912), 4},
                {"qwen", Spec(14, 2, 64, 4864), 14},
                {"llama-7b", Spec(32, 32, 128, 11008), 32},
                {"llama-3-8b", Spec(32, 8, 128, 14336), 32}};
  for (const auto& m : models) {
    for (uint32_t ranks = 2; ranks <= m.most; ++ranks) {
      for (bool reduce : {false, true}) {
        const auto s = Shard(m.spec, ranks - 1, ranks, reduce);
        if (!s.ok()) {
          // Every rank of a KV head needs a query of its own.
          EXPECT_GT((ranks + m.spec.kv_heads - 1) / m.spec.kv_heads, m.spec.group()) << m.name;
          continue;
        }
        const std::string what = fmt::format("{}, {} ranks", m.name, ranks);
        ExpectTiles(s->heads, m.spec.heads, what);
        ExpectTiles(s->ffn, m.spec.ffn, what);
        ExpectTiles(s->hidden, m.spec.hidden, what);
        ExpectTiles(s->outputs, m.spec.vocab, what);
        for (uint32_t r = 0; r < ranks; ++r) {
          const Range q = s->heads[r];
          const Range kv = s->kv_heads[r];
          EXPECT_EQ(q.first / m.spec.group(), kv.first) << what;
          EXPECT_EQ((q.end() - 1) / m.spec.group(), kv.end() - 1) << what;
          EXPECT_EQ(q.count % kv.count, 0U) << what;  // one group size a rank
          EXPECT_TRUE(!s->reduce_attention || q.first * m.spec.head_dim % 256 == 0) << what;
          EXPECT_TRUE(!s->reduce_ffn || s->ffn[r].first % 256 == 0) << what;
        }
      }
    }
  }
}

TEST(ShardTest, SumsAreOnlyTakenWhereBlocksAllow) {
  EXPECT_TRUE(Shard(Spec(32, 32, 128, 11008), 0, 2, true)->reduce_attention);
  EXPECT_TRUE(Shard(Spec(32, 8, 128, 14336), 0, 4, true)->reduce_attention);
  EXPECT_FALSE(Shard(Spec(9, 3, 64, 1536), 0, 2, true)->reduce_attention);  // 192 columns a group
  EXPECT_TRUE(Shard(Spec(9, 3, 64, 1536), 0, 2, true)->reduce_ffn);
  EXPECT_FALSE(Shard(Spec(32, 32, 128, 11008), 0, 2, false)->reduce_ffn);
}

TEST(ShardTest, RefusesWhatCannotBeCut) {
  const auto s = Shard(Spec(9, 3, 64, 1536), 0, 10, false);
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.status().code(), Code::kUnsupported);
  EXPECT_NE(s.status().message().find("at most 9"), std::string::npos) << s.status().message();
  EXPECT_FALSE(Shard(Spec(4, 4, 64, 16), 0, 2, false).ok());  // one tile of the gated width
}

TEST(ShardTest, RanksTakeTheirRowsAndColumns) {
  ModelSpec spec = Spec(32, 8, 128, 14336);
  for (const bool reduce : {false, true}) {
    uint64_t o = 0;
    uint64_t down = 0;
    for (uint32_t r = 0; r < 4; ++r) {
      spec.sharding = *Shard(spec, r, 4, reduce);
      const auto decls = ShardWeights(WeightsOf(spec, ConfigView::Naming::kGguf), spec);
      for (const WeightDecl& d : decls) {
        if (d.ref.role == WeightRole::kK) {
          EXPECT_EQ(d.first_row, r * 256);
          EXPECT_EQ(d.rows, 256U);
          EXPECT_EQ(d.stored_rows, 1024U);
        }
        if (d.ref.role == WeightRole::kO) o += uint64_t{d.rows} * d.cols;
        if (d.ref.role == WeightRole::kDown) down += uint64_t{d.rows} * d.cols;
        EXPECT_LE(d.first_row + d.rows, d.stored_rows) << d.name;
        EXPECT_LE(d.first_col + d.cols, d.stored_cols) << d.name;
      }
    }
    EXPECT_EQ(o, 4096U * 4096);
    EXPECT_EQ(down, 4096U * 14336);
  }
}

TEST(ShardTest, OnlyTheFirstRankAddsTheResidual) {
  ModelSpec spec = Spec(32, 8, 128, 14336);
  for (uint32_t r = 0; r < 2; ++r) {
    spec.sharding = *Shard(spec, r, 2, true);
    uint32_t reduces = 0;
    for (const Op& op : BuildOps(LocalSpec(spec))) {
      reduces += op.kind == OpKind::kReduce;
      const bool joins = op.kind == OpKind::kLinear && op.parts[0].out == Slot::kHidden;
      EXPECT_TRUE(!joins || op.add_to_out == (r == 0));
    }
    EXPECT_EQ(reduces, 2U);
  }
}

TEST(StepBytesTest, AStepComesBackAndACutOneIsAnError) {
  Step step;
  for (uint32_t i = 0; i < 5; ++i) {
    StepRow row;
    row.sequence = i / 3;
    row.position = 70 + i;
    row.token = static_cast<int32_t>(i * 7);
    row.sampling_slot = i == 4 ? 0 : kNoIndex;
    step.rows.push_back(row);
  }
  for (uint32_t s = 0; s < 2; ++s) {
    KvSegment g;
    g.codec = CodecId::kI8;
    g.base = 64 * s;
    g.length = 75;
    g.causal = s == 0;
    g.blocks = {1, uint64_t{3} << 40, UINT64_MAX};
    step.sequences.push_back({{g}});
  }
  std::vector<std::byte> bytes;
  AppendStep(step, &bytes);
  const auto back = ReadStep(bytes);
  ASSERT_TRUE(back.ok()) << back.status().message();
  std::vector<std::byte> again;
  AppendStep(*back, &again);
  EXPECT_EQ(again, bytes);
  EXPECT_EQ(back->sequences[1].segments[0].blocks[1], uint64_t{3} << 40);
  EXPECT_FALSE(back->sequences[1].segments[0].causal);
  EXPECT_EQ(back->rows[4].position, 74U);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(ReadStep(std::span(bytes).first(n)).ok()) << n;
}

}  // namespace
}  // namespace wring
