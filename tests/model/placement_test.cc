// A model whose first layers another executor computes gives the bits of the whole.
#include "model/placement.h"

#include <gtest/gtest.h>

#include <set>

#include "support/engine.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

Result<std::unique_ptr<Model>> Open(const std::string& path, int32_t back_layers) {
  ModelOptions options;
  options.threads = 2;
  options.need_text = false;
  options.gpu_layers = back_layers;
  return Model::Open(path, options);
}

std::string PathOf(const char* name) {
  return (testing::TreeDir() / "tests/goldens" / name).string();
}

TEST(PlacementTest, FrontAndBackGiveTheBitsOfTheWhole) {
  for (const char* name :
       {"models/llama-gqa", "models/llama-mha-tied", "models/llama-mha-untied", "models/qwen2-tied",
        "architectures/gemma2", "architectures/gemma3", "architectures/mistral-window"}) {
    testing::Golden golden;
    golden.Read(PathOf(name));
    SessionOptions options;
    options.chunk = 7;
    options.context = static_cast<uint32_t>(golden.prompt.size() + golden.decode.size());
    std::vector<float> whole;
    for (int32_t back : {-1, 1, 2}) {
      auto model = Open(golden.path, back);
      ASSERT_TRUE(model.ok()) << model.status().message();
      EXPECT_EQ((*model)->spec.host_layers,
                back < 0 ? 0 : (*model)->spec.layers - static_cast<uint32_t>(back));
      auto run = testing::RunTeacherForced(**model, options, golden.prompt, golden.decode);
      ASSERT_TRUE(run.ok()) << run.status().message();
      if (whole.empty()) whole = run->values;
      EXPECT_EQ(run->values, whole) << name << ", " << back << " layers behind";
    }
  }
}

// Blocks are shared, copied and given back in both memories alike.
TEST(PlacementTest, ServesAsTheWholeDoes) {
  for (const char* name : {"models/llama-gqa", "architectures/mistral-window"}) {
    testing::Said alone;
    for (const int32_t back : {-1, 1}) {
      auto model = Open(PathOf(name), back);
      ASSERT_TRUE(model.ok()) << model.status().message();
      const auto said = testing::CrowdedAnswers(**model);
      ASSERT_EQ(said.size(), 6U);
      if (alone.empty()) alone = said;
      EXPECT_EQ(said, alone) << name << ", " << back;
    }
  }
}

TEST(PlacementTest, TakesMoreAsAllAndRefusesNone) {
  const auto all = Open(PathOf("models/llama-gqa"), 99);  // more than there are: all
  ASSERT_TRUE(all.ok());
  EXPECT_EQ((*all)->spec.host_layers, 0U);
  EXPECT_EQ(Open(PathOf("models/llama-gqa"), 0).status().code(), Code::kInvalid);
}

TEST(LayoutImageTest, EveryBlockHasItsOwnPlace) {
  std::vector<uint32_t> windows;
  for (uint32_t l = 0; l < 26; ++l) windows.push_back(l % 2 == 0 ? 512 : 0);
  for (const uint32_t first : {1U, 2U, 9U, 20U, 24U}) {
    const auto back = KvLayout::For(CodecId::kF16, 4, 256, windows, first);
    ASSERT_TRUE(back.ok());
    uint64_t scale = 0;
    const KvLayout front = back->Image(windows, first, &scale);
    ASSERT_EQ(front.groups.size(), back->groups.size());
    uint32_t layers = 0;
    std::set<std::pair<uint32_t, uint32_t>> places;
    for (uint32_t l = 0; l < first; ++l) {
      EXPECT_EQ(front.groups[front.places[l].group].window, windows[l]);
      EXPECT_TRUE(places.insert({front.places[l].group, front.places[l].index}).second);
    }
    for (size_t g = 0; g < front.groups.size(); ++g) {
      EXPECT_LE(front.groups[g].block_bytes, scale * back->groups[g].block_bytes);
      layers += front.groups[g].layers;
    }
    EXPECT_EQ(layers, first);
  }
}

}  // namespace
}  // namespace wring
