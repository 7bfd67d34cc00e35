#include "speech/render/render.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "speech/corpus/sources.h"
#include "speech/labels/spans.h"
#include "speech/plan/planner.h"
#include "speech/simulated.h"

namespace wring::speech {
namespace {

class Rendered : public ::testing::Test {
 protected:
  void SetUp() override {
    corpus_ = testing::SpeakersIn(scratch_, 4);
    cache_ = std::make_unique<SoundCache>(corpus_, 16000, 1 << 30, true);
    profile_ = *FindProfile("ami");
    plan_.seconds = 8;
    plan_.speakers = 3;
    render_.stems = true;
  }
  SessionPlan Plan(uint32_t i) { return MakePlan(corpus_, profile_, plan_, i); }
  SessionSound Make(const SessionPlan& plan) {
    auto sound = Render(plan, corpus_, *cache_, render_);
    EXPECT_TRUE(sound.ok()) << sound.status().message();
    return *std::move(sound);
  }

  testing::Scratch scratch_;
  SourceCorpus corpus_;
  std::unique_ptr<SoundCache> cache_;
  Profile profile_;
  PlanOptions plan_;
  RenderOptions render_;
};

// Over 1,000 sessions: stems are silent outside their labels, words lie within segments, nobody overlaps himself, and the mix
// is the sum of stems and noise to a step of 16 bits.
TEST_F(Rendered, SoundIsWhatTheLabelsSay) {
  render_.least_snr = 10;
  for (uint32_t i = 0; i < 1000; ++i) {
    const SessionPlan plan = Plan(i);
    const SessionSound sound = Make(plan);
    const Recording labels = SegmentsOf(plan, corpus_);
    ASSERT_EQ(sound.mix.size(), static_cast<size_t>(plan.length / kMillisecond * 16));
    for (size_t s = 0; s < sound.stems.size(); ++s) {
      Recording mine{plan.name, {}};
      std::vector<Span> wide;
      for (const Segment& x : labels.segments) {
        if (x.speaker != corpus_.speakers[plan.speakers[s]]) continue;
        mine.segments.push_back(x);
        wide.push_back({std::max<Micros>(0, x.start - kPreRoll), x.end + kPreRoll});
      }
      std::vector<bool> allowed(sound.mix.size(), false);
      for (const Span& span : wide) {
        for (size_t k = SamplesOf(span.start, 16000);
             k < std::min(allowed.size(), SamplesOf(span.end, 16000)); ++k)
          allowed[k] = true;
      }
      for (size_t k = 0; k < allowed.size(); ++k) {
        ASSERT_TRUE(allowed[k] || sound.stems[s][k] == 0.0F) << plan.name << " sample " << k;
      }
      for (const Word& w : WordsOf(plan, corpus_)) {
        if (w.speaker != corpus_.speakers[plan.speakers[s]]) continue;
        ASSERT_TRUE(std::any_of(mine.segments.begin(), mine.segments.end(), [&](const Segment& x) {
          return x.start <= w.start && w.end <= x.end;
        }));
      }
    }
    for (size_t k = 0; k < sound.mix.size(); ++k) {
      double sum = sound.noise[k];
      for (const auto& stem : sound.stems) sum += stem[k];
      ASSERT_NEAR(sound.mix[k], sum, 1.0 / 32768);
    }
    for (size_t a = 0; a < labels.segments.size(); ++a) {
      for (size_t b = a + 1; b < labels.segments.size(); ++b) {
        const Segment &x = labels.segments[a], &y = labels.segments[b];
        ASSERT_FALSE(x.speaker == y.speaker && y.start < x.end);
      }
    }
  }
}

// Where one speaks alone his stem is loud: the labels do not lie about silence either.
TEST_F(Rendered, SpeechIsHeardWhereTheLabelsHaveIt) {
  const SessionPlan plan = Plan(0);
  const SessionSound sound = Make(plan);
  for (const Word& w : WordsOf(plan, corpus_)) {
    const auto s = static_cast<size_t>(
        std::find_if(plan.speakers.begin(), plan.speakers.end(),
                     [&](uint32_t id) { return corpus_.speakers[id] == w.speaker; }) -
        plan.speakers.begin());
    double energy = 0;
    for (size_t k = SamplesOf(w.start, 16000); k < SamplesOf(w.end, 16000); ++k)
      energy += static_cast<double>(sound.stems[s][k]) * static_cast<double>(sound.stems[s][k]);
    EXPECT_GT(energy / static_cast<double>(SamplesOf(w.end - w.start, 16000)), 1e-6);
  }
}

TEST_F(Rendered, NoiseLiesAsFarBelowTheSpeechAsAsked) {
  for (const double wanted : {0.0, 5.0, 10.0, 20.0}) {
    render_.least_snr = wanted;
    for (uint32_t i = 0; i < 5; ++i) {
      const SessionPlan plan = Plan(i);
      const SessionSound sound = Make(plan);
      std::vector<float> speech(sound.mix.size(), 0.0F);
      for (const auto& stem : sound.stems) {
        for (size_t k = 0; k < speech.size(); ++k) speech[k] += stem[k];
      }
      double noise = 0;
      for (const float x : sound.noise)
        noise += static_cast<double>(x) * static_cast<double>(x) /
                 static_cast<double>(sound.noise.size());
      const double power = SpeechPower(speech, 1, 16000, SegmentsOf(plan, corpus_));
      EXPECT_NEAR(10 * std::log10(power / noise), wanted, 0.2);
      EXPECT_NEAR(*sound.snr, wanted, 0.05);
    }
  }
}

TEST_F(Rendered, SpeechIsAtTheLevelDrawnUnlessItWouldClip) {
  render_.least_level = render_.most_level = -26;
  const SessionPlan plan = Plan(1);
  const SessionSound sound = Make(plan);
  EXPECT_NEAR(10 * std::log10(SpeechPower(sound.mix, 1, 16000, SegmentsOf(plan, corpus_))), -26,
              0.1);
  render_.least_level = render_.most_level = -3;
  render_.speaker_db = 12;
  const SessionSound loud = Make(plan);
  EXPECT_LE(*std::max_element(loud.mix.begin(), loud.mix.end()), 0.98F);
  EXPECT_NEAR(loud.peak, 0.97, 0.001);
}

TEST_F(Rendered, ATelephoneHasNothingBelowItsBand) {
  render_.stems = false;
  const SessionPlan plan = Plan(2);  // tones of 150 to 300 Hz
  render_.least_level = render_.most_level = -20;
  render_.least_snr = 0;
  render_.telephone_share = 1;
  const SessionSound sound = Make(plan);
  EXPECT_TRUE(sound.telephone);
  double slow = 0, all = 0, mean = 0;
  for (const float x : sound.mix) {
    mean += 0.005 * (static_cast<double>(x) - mean);  // what is below 13 Hz
    slow += mean * mean;
    all += static_cast<double>(x) * static_cast<double>(x);
  }
  EXPECT_LT(slow / all, 1e-3);
}

TEST_F(Rendered, RoomsAddReverberationAndChannelsDiffer) {
  render_.stems = false;
  const SessionPlan plan = Plan(3);
  const SessionSound dry = Make(plan);
  render_.room_share = 1;
  render_.microphones = 2;
  const SessionSound wet = Make(plan);
  ASSERT_EQ(wet.mix.size(), 2 * dry.mix.size());
  EXPECT_EQ(wet.room, "image source");
  EXPECT_GE(*wet.t60, 0.1);
  EXPECT_LE(*wet.t60, 0.8);
  double differ = 0;
  for (size_t k = 0; k < wet.mix.size(); k += 2)
    differ += std::abs(static_cast<double>(wet.mix[k] - wet.mix[k + 1]));
  EXPECT_GT(differ / static_cast<double>(dry.mix.size()), 1e-4);
}

TEST_F(Rendered, RecordedResponsesAreUsedWhereGiven) {
  render_.stems = false;
  const SessionPlan plan = Plan(3);
  render_.responses.sounds = {{1.0F}};  // the dry sound itself
  render_.responses.names = {"identity"};
  const SessionSound dry = Make(plan);
  render_.room_share = 1;
  const SessionSound wet = Make(plan);
  EXPECT_NE(wet.room.find("identity"), std::string::npos);
  for (size_t k = 0; k < dry.mix.size(); ++k) ASSERT_NEAR(dry.mix[k], wet.mix[k], 1e-5);
}

TEST_F(Rendered, IsTheSameWithASmallCacheAndAnyOrder) {
  const SessionPlan plan = Plan(4);
  const SessionSound first = Make(plan);
  cache_ = std::make_unique<SoundCache>(corpus_, 16000, 1, true);
  Make(Plan(9));
  EXPECT_EQ(Make(plan).mix, first.mix);
}

}  // namespace
}  // namespace wring::speech
