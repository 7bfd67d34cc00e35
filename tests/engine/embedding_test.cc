// all-MiniLM-L6-v2 as users run it, against the vectors of sentence-transformers.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/encoder.h"
#include "support/test_data.h"

namespace wring {
namespace {

class MiniLm : public ::testing::TestWithParam<bool> {};

TEST_P(MiniLm, VectorsAreThoseOfSentenceTransformers) {
  const auto path = testing::ModelDir() / "all-minilm-l6-v2";
  WRING_SKIP_WITHOUT(path, "tools/fetch-model all-minilm-l6-v2");
  std::ifstream in(testing::TreeDir() / "tests/goldens/embeddings/all-minilm-l6-v2.json");
  const auto golden = nlohmann::json::parse(in);
  auto model = Model::Open(path.string(), {});
  ASSERT_TRUE(model.ok()) << model.status().message();
  auto encoder = Encoder::Create(**model, GetParam());
  ASSERT_TRUE(encoder.ok()) << encoder.status().message();
  for (const auto& one : golden["cases"]) {
    const auto text = one["text"].get<std::string>();
    const auto want = one["vector"].get<std::vector<float>>();
    auto vector = (*encoder)->EmbedText(text, true);
    ASSERT_TRUE(vector.ok()) << vector.status().message();
    ASSERT_EQ(vector->size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR((*vector)[i], want[i], 1e-5) << text.substr(0, 40) << " " << i;
    }
  }
  const std::string longest = golden["cases"].back()["text"];
  EXPECT_EQ((*encoder)->EmbedText(longest, false).status().code(), Code::kLimit);
}

INSTANTIATE_TEST_SUITE_P(All, MiniLm, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "exact" : "shipped"; });

}  // namespace
}  // namespace wring
