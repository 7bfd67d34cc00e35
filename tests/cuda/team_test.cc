// A model cut among ranks that share one GPU: they meet in host memory.
#include <cmath>

#include "bench/random_model.h"
#include "cuda/gpu.h"
#include "support/engine.h"
#include "support/golden.h"
#include "support/test_data.h"

namespace wring {
namespace {

class TeamGpuTest : public testing::GpuTest {
 protected:
  std::vector<float> Logits(const std::string& path, uint32_t ranks, bool invariant, size_t chunk) {
    ModelOptions options;
    options.need_text = false;
    options.device = gpu_;
    options.ranks = ranks;
    options.reduce = !invariant;
    auto model = Model::Open(path, options);
    if (!model.ok()) {
      ADD_FAILURE() << model.status().message();
      return {};
    }
    SessionOptions session_options;
    session_options.invariant = invariant;
    auto session = Session::Create(**model, session_options);
    if (!session.ok()) {
      ADD_FAILURE() << session.status().message();
      return {};
    }
    const auto ids = testing::RandomTokens((*model)->spec.vocab, 300, 5);
    std::vector<float> out;
    for (size_t at = 0; at < ids.size(); at += chunk) {
      const auto n = std::min(chunk, ids.size() - at);
      const Status s = (*session)->AppendAll(std::span(ids).subspan(at, n),
                                             [&](size_t, std::span<const float> row) {
                                               out.insert(out.end(), row.begin(), row.end());
                                             });
      EXPECT_TRUE(s.ok()) << s.message();
    }
    return out;
  }
};

TEST_F(TeamGpuTest, RanksGiveTheBitsOfOneInTheInvariantGradeAndAreNearItOtherwise) {
  for (const char* text : {"layers=2,hidden=512,heads=8,kv=2,ffn=1024,vocab=1000:Q4_K",
                           "layers=2,hidden=576,heads=9,kv=3,ffn=1536,vocab=500:Q8_0",
                           "layers=2,hidden=1024,heads=8,kv=8,ffn=2816,vocab=1003:F16"}) {
    const auto shape = bench::ParseShape(text);
    ASSERT_TRUE(shape.ok());
    auto file = bench::RandomModelFile::Write(*shape, nullptr);
    ASSERT_TRUE(file.ok());
    for (const size_t chunk : {1, 7, 300}) {
      const auto alone = Logits(file->path(), 1, true, chunk);
      const auto plain = Logits(file->path(), 1, false, chunk);
      for (const uint32_t ranks : {2U, 3U}) {
        EXPECT_EQ(Logits(file->path(), ranks, true, chunk), alone)
            << text << ", " << ranks << " ranks, steps of " << chunk;
        const auto sums = Logits(file->path(), ranks, false, chunk);
        ASSERT_EQ(sums.size(), plain.size());
        double error = 0;
        double norm = 0;
        for (size_t i = 0; i < sums.size(); ++i) {
          error += std::pow(sums[i] - plain[i], 2);
          norm += std::pow(plain[i], 2);
        }
        EXPECT_LE(std::sqrt(error / norm), 3e-3)
            << text << ", " << ranks << " ranks, steps of " << chunk;
      }
    }
  }
}

}  // namespace
}  // namespace wring
