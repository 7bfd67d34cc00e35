// A model cut among ranks: the same bits as undivided where ranks gather, near where they add.
#include "engine/team.h"

#include <gtest/gtest.h>

#include "engine/encoder.h"
#include "support/engine.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

Result<std::unique_ptr<Model>> Open(const std::string& path, uint32_t ranks, bool reduce = false,
                                    bool repack = true) {
  ModelOptions options;
  options.threads = 2 * ranks;
  options.need_text = false;
  options.ranks = ranks;
  options.reduce = reduce;
  options.repack = repack;
  return Model::Open(path, options);
}

std::string PathOf(const std::string& name) {
  return (testing::TreeDir() / "tests/goldens" / name).string();
}

class TeamGoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { golden_.Read(PathOf(GetParam())); }
  // Empty where the model cannot be cut so.
  std::vector<float> Logits(uint32_t ranks, bool reduce, bool exact) {
    auto model = Open(golden_.path, ranks, reduce);
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), Code::kUnsupported) << model.status().message();
      return {};
    }
    SessionOptions options;
    options.exact = exact;
    options.chunk = 5;
    options.context = static_cast<uint32_t>(golden_.prompt.size() + golden_.decode.size());
    auto run = testing::RunTeacherForced(**model, options, golden_.prompt, golden_.decode);
    EXPECT_TRUE(run.ok()) << run.status().message();
    return run.ok() ? run->values : std::vector<float>();
  }
  testing::Golden golden_;
};

TEST_P(TeamGoldenTest, RanksGiveTheBitsOfOne) {
  for (const bool exact : {false, true}) {
    const auto alone = Logits(1, false, exact);
    ASSERT_FALSE(alone.empty());
    uint32_t cut = 0;
    for (const uint32_t ranks : {2U, 3U, 4U}) {
      const auto together = Logits(ranks, false, exact);
      if (together.empty()) continue;
      ++cut;
      EXPECT_EQ(together, alone) << ranks << " ranks";
    }
    EXPECT_GE(cut, 1U);
  }
}

TEST_P(TeamGoldenTest, SumsAreNear) {
  const auto alone = Logits(1, false, true);
  const auto together = Logits(2, true, true);
  ASSERT_EQ(together.size(), alone.size());
  for (size_t i = 0; i < alone.size(); ++i)
    ASSERT_NEAR(together[i], alone[i], 1e-4 * (1 + std::abs(alone[i])));
}

INSTANTIATE_TEST_SUITE_P(
    Checkpoints, TeamGoldenTest,
    ::testing::Values("models/llama-gqa", "models/llama-mha-untied", "models/llama-attention-bias",
                      "models/llama-odd", "models/llama-head-dim", "models/qwen2-tied",
                      "architectures/mistral-window", "architectures/qwen3", "architectures/gemma2",
                      "architectures/gemma3", "architectures/phi3-long"),
    [](const auto& param) {
      std::string name = param.param;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
      return name;
    });

TEST(TeamTest, AQuantisedModelGivesTheBitsOfOneRank) {
  const auto path = testing::ModelDir() / "smollm2-135m-instruct.gguf";
  WRING_SKIP_WITHOUT(path, "tools/fetch-model smollm2-135m-instruct");
  std::vector<float> alone;
  for (const uint32_t ranks : {1U, 2U, 3U, 5U}) {  // of 3 KV heads
    for (const bool repack : {true, false}) {
      auto model = Open(path.string(), ranks, false, repack);
      ASSERT_TRUE(model.ok()) << model.status().message();
      auto session = Session::Create(**model, {});
      ASSERT_TRUE(session.ok()) << session.status().message();
      auto row = (*session)->Append(testing::RandomTokens((*model)->spec.vocab, 90, 4));
      ASSERT_TRUE(row.ok()) << row.status().message();
      const std::vector<float> logits(row->begin(), row->end());
      if (alone.empty()) alone = logits;
      EXPECT_EQ(logits, alone) << ranks << " ranks";
    }
  }
}

TEST(TeamTest, AnEncoderGivesTheBitsOfOneRank) {
  std::vector<float> alone;
  for (const uint32_t ranks : {1U, 2U}) {
    auto model = Open(PathOf("architectures/bert-mean"), ranks);
    ASSERT_TRUE(model.ok()) << model.status().message();
    auto encoder = Encoder::Create(**model, false);
    ASSERT_TRUE(encoder.ok()) << encoder.status().message();
    const auto vector = (*encoder)->Embed(testing::RandomTokens((*model)->spec.vocab, 20, 1));
    ASSERT_TRUE(vector.ok()) << vector.status().message();
    if (alone.empty()) alone = *vector;
    EXPECT_EQ(*vector, alone);
  }
}

// Blocks are copied and used again on all ranks alike.
TEST(TeamTest, ServesAsOneRankDoes) {
  testing::Said alone;
  for (const uint32_t ranks : {1U, 2U}) {
    auto model = Open(PathOf("models/llama-gqa"), ranks);
    ASSERT_TRUE(model.ok()) << model.status().message();
    const auto said = testing::CrowdedAnswers(**model);
    ASSERT_EQ(said.size(), 6U);
    if (alone.empty()) alone = said;
    EXPECT_EQ(said, alone) << ranks << " ranks";
  }
}

TEST(TeamTest, RefusesInOneSentence) {
  const auto many = Open(PathOf("models/llama-gqa"), 40);
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.status().code(), Code::kUnsupported);
  EXPECT_NE(many.status().message().find("at most"), std::string::npos) << many.status().message();

  EXPECT_EQ(Open(PathOf("models/nothing-here"), 2).status().code(), Code::kNotFound);

  auto model = Open(PathOf("models/llama-gqa"), 2);
  ASSERT_TRUE(model.ok());
  auto first = Session::Create(**model, {});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Session::Create(**model, {}).status().code(), Code::kLimit);
  first->reset();
  EXPECT_TRUE(Session::Create(**model, {}).ok());
}

}  // namespace
}  // namespace wring
