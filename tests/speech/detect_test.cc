#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "speech/corpus/sources.h"
#include "speech/detect/cluster.h"
#include "speech/detect/detector.h"
#include "speech/detect/diarizer.h"
#include "speech/detect/train_embedding.h"
#include "speech/detect/train_vad.h"
#include "speech/simulated.h"

namespace wring::speech {
namespace {

TEST(Smoothing, MakesSegmentsOfFrames) {
  const std::vector<float> p = {0, 0.9F, 0.9F, 0, 0, 0.9F, 0, 0, 0, 0, 0, 0.9F, 0.9F};
  const Micros hop = 10000;
  EXPECT_EQ(SpansOf(p, hop, 125000, {}),
            std::vector<Span>({{10000, 30000}, {50000, 60000}, {110000, 125000}}));
  EXPECT_EQ(SpansOf(p, hop, 130000, {0.5F, 0, 20000, 0}),
            std::vector<Span>({{10000, 60000}, {110000, 130000}}));
  EXPECT_EQ(SpansOf(p, hop, 130000, {0.5F, 0, 20000, 20000}),
            std::vector<Span>({{10000, 30000}, {110000, 130000}}));
  EXPECT_TRUE(SpansOf({}, hop, 0, {}).empty());
}

TEST(Smoothing, AveragesOverAWindowAroundEachFrame) {
  const std::vector<float> p = {0, 0, 3, 0, 0};
  EXPECT_EQ(Averaged(p, 10000, 20000), std::vector<float>({0, 1, 1, 1, 0}));
  EXPECT_EQ(Averaged(p, 10000, 0), p);
}

TEST(Smoothing, BridgesPausesOfASpeakerOnly) {
  const auto joined = Bridged({{0, 10, "a"}, {12, 20, "b"}, {15, 30, "a"}, {26, 28, "b"}}, 6);
  EXPECT_EQ(joined, std::vector<Segment>({{0, 30, "a"}, {12, 28, "b"}}));
}

TEST(Cluster, FindsGroupsOfDirections) {
  std::vector<float> rows;
  for (int i = 0; i < 30; ++i) {
    const double angle = (i % 3) * 2.0 + 0.01 * i;
    rows.push_back(static_cast<float>(std::cos(angle)));
    rows.push_back(static_cast<float>(std::sin(angle)));
  }
  const auto clusters = ClusterByCosine(rows, 2, 3);
  for (size_t i = 0; i < clusters.size(); ++i) EXPECT_EQ(clusters[i], i % 3);
  const auto five = ClusterByCosine(rows, 2, 5);
  EXPECT_EQ(*std::max_element(five.begin(), five.end()), 4U);
  EXPECT_EQ(ClusterByCosine(rows, 2, 100).size(), 30U);
  EXPECT_TRUE(ClusterByCosine({}, 2, 1).empty());
}

class Trained : public ::testing::Test {
 protected:
  void SetUp() override {
    corpus_ = testing::SpeakersIn(scratch_, 4);
    profile_ = *FindProfile("telephone");
    plan_.seconds = 6;
    plan_.silence = 0.4;
    render_.least_snr = 15;
  }

  testing::Scratch scratch_;
  SourceCorpus corpus_;
  Profile profile_;
  PlanOptions plan_;
  RenderOptions render_;
  CancelToken cancel_;
};

TEST_F(Trained, TheDetectorLearnsAndItsBytesDependOnNoThreads) {
  std::string bytes;
  for (const uint32_t threads : {1U, 2U}) {
    ThreadPool pool(threads);
    TrainingSessions sessions(corpus_, profile_, plan_, render_),
        check(corpus_, profile_, plan_, render_);
    VadTraining options;
    options.steps = 40;
    options.held_out = 3;
    options.bridge = 0;
    const auto result = TrainVad(sessions, check, options, pool, nullptr, cancel_);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_LE(result->vad->parameters().Count(), 50000U);
    EXPECT_GT(result->area, 0.98);
    EXPECT_LT(result->detection_error, 0.1);
    const auto now = result->vad->ToBytes();
    ASSERT_TRUE(now.ok());
    if (threads == 1) bytes = *now;
    EXPECT_EQ(*now == bytes, true);
  }
  const auto again = Vad::FromBytes(std::as_bytes(std::span(bytes.data(), bytes.size())), "bytes");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_FALSE(
      Vad::FromBytes(std::as_bytes(std::span(bytes.data(), bytes.size() - 5)), "cut").ok());
}

TEST_F(Trained, TheEmbeddingLearnsToTellSpeakersApart) {
  ThreadPool pool(2);
  plan_.speakers = 2;
  TrainingSessions sessions(corpus_, profile_, plan_, render_),
      check(corpus_, profile_, plan_, render_);
  EmbeddingTraining options;
  options.steps = 40;
  options.held_out = 4;
  const auto result = TrainEmbedding(sessions, check, options, pool, nullptr, cancel_);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_LE(result->embedding->parameters().Count(), 1000000U);
  EXPECT_LT(result->error, 0.25);

  const auto bytes = result->embedding->ToBytes();
  ASSERT_TRUE(bytes.ok());
  const auto read = [](const std::string& b) {
    return Embedding::FromBytes(std::as_bytes(std::span(b.data(), b.size())), "voices");
  };
  const auto again = read(*bytes);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->space().between, result->embedding->space().between);
  EXPECT_EQ((*again)->hmm.prior, result->embedding->hmm.prior);
  result->embedding->hmm.prior = 0;
  EXPECT_EQ(read(*result->embedding->ToBytes()).status().message(),
            "voices: it tells no speakers apart: train it again");
}

TEST_F(Trained, StopsWhenAsked) {
  ThreadPool pool(1);
  TrainingSessions sessions(corpus_, profile_, plan_, render_);
  cancel_.Cancel();
  EXPECT_EQ(TrainVad(sessions, sessions, {}, pool, nullptr, cancel_).status().code(),
            Code::kCancelled);
}

TEST(Vad, HoursAreReadInPiecesWithoutATrace) {
  Vad vad(3);
  ThreadPool pool(1);
  const std::vector<float> sound = testing::Bursts(200, 16000, 200);  // over a minute: two pieces
  ASSERT_GT(sound.size(), 16000U * 65);
  const auto whole = vad.Run(sound, pool);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->probabilities.size(), (sound.size() + 159) / 160);
  // The frames about the cut depend on what is near them alone.
  const size_t from = 40 * 16000, to = 80 * 16000;
  const auto middle =
      vad.Run(std::span(sound).subspan(from, std::min(to, sound.size()) - from), pool);
  ASSERT_TRUE(middle.ok());
  for (size_t f = 1800; f < 2200; ++f)
    ASSERT_NEAR(middle->probabilities[f], whole->probabilities[f + 4000], 1e-6) << f;
}

TEST(Detectors, AreFoundByName) {
  EXPECT_TRUE(FindDetector("energy").ok());
  const auto none = FindDetector("/nowhere/weights");
  EXPECT_FALSE(none.ok());
  const testing::Scratch scratch;
  ASSERT_TRUE(WriteFileAtomically(scratch / "w", "not weights at all").ok());
  EXPECT_NE(FindDetector(scratch / "w").status().message().find("is no detector"),
            std::string::npos);
}

}  // namespace
}  // namespace wring::speech
