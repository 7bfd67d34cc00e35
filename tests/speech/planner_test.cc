#include "speech/plan/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "formats/json.h"
#include "speech/labels/rttm.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

Profile Preset(const char* name) {
  auto p = FindProfile(name);
  EXPECT_TRUE(p.ok()) << p.status().message();
  return *std::move(p);
}

struct Case {
  double seconds;
  uint32_t speakers;
  double silence, overlap;
  double infeasible;  // the share that a prototype of this rule had
};

// Silence and overlap as the labels in text say them, over 200 sessions each.
TEST(Planner, MeetsTheSharesThatAreWanted) {
  const SourceCorpus corpus = InventedCorpus(40, 1);
  const Profile beta = Preset("beta");
  for (const Case& c :
       {Case{20, 2, .15, .10, .11}, Case{20, 2, .20, .13, .19}, Case{60, 2, .15, .10, .015},
        Case{60, 4, .20, .13, .05}, Case{600, 4, .15, .10, 0}, Case{600, 4, .20, .30, 0}}) {
    PlanOptions o;
    o.seconds = c.seconds;
    o.speakers = c.speakers;
    o.silence = c.silence;
    o.overlap = c.overlap;
    ASSERT_TRUE(CheckPlan(corpus, beta, o).ok());
    int infeasible = 0;
    for (uint32_t i = 0; i < 200; ++i) {
      const SessionPlan plan = MakePlan(corpus, beta, o, i);
      const auto read = ParseRttm(RttmText(SegmentsOf(plan, corpus)), "labels");
      ASSERT_TRUE(read.ok());
      EXPECT_TRUE(CheckNoSelfOverlap((*read)[0]).ok());
      const Coverage got = CoverageOf((*read)[0].segments, plan.length);
      if (!plan.infeasible.empty()) {
        ++infeasible;
        continue;
      }
      EXPECT_NEAR(got.silence_ratio(), c.silence, 0.002);
      EXPECT_NEAR(got.overlap_ratio(), c.overlap, 0.002);
      EXPECT_LE(std::abs(Seconds(plan.length) - c.seconds), std::max(0.5, 0.01 * c.seconds));
    }
    EXPECT_LE(infeasible, 200 * c.infeasible) << c.seconds << " s";
  }
}

TEST(Planner, TurnsWithinTurnsComeAsOftenAsTheProfileSays) {
  const SourceCorpus corpus = InventedCorpus(40, 1);
  const Profile ami = Preset("ami");
  Statistics s;
  for (uint32_t i = 0; i < 60; ++i) {
    const SessionPlan plan = MakePlan(corpus, ami, {}, i);
    AddRecording(SegmentsOf(plan, corpus), plan.length, &s);
  }
  EXPECT_NEAR(s.embedded_share(), ami.embedded, 0.05);
  EXPECT_NEAR(s.change_probability(), ami.change, 0.03);
}

// A profile of AMI's training meetings against its development meetings.
TEST(Planner, LengthsAreDistributedAsInMeetingsThatWereNotFitted) {
  const auto folder = testing::DataDir() / "speech/rttm/ami_dev";
  WRING_SKIP_WITHOUT(folder, "set WRING_TEST_DATA to a folder with the test material");
  Statistics real, simulated;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto recordings = ReadRttm(entry.path().string());
    ASSERT_TRUE(recordings.ok());
    for (const Recording& r : *recordings) AddRecording(r, 0, &real);
  }
  const SourceCorpus corpus = InventedCorpus(40, 1);
  const Profile ami = Preset("ami");
  for (uint32_t i = 0; i < 500; ++i) {
    const SessionPlan plan = MakePlan(corpus, ami, {}, i);
    AddRecording(SegmentsOf(plan, corpus), plan.length, &simulated);
  }
  EXPECT_LE(KsDistance(simulated.silences, real.silences), 0.10);
  EXPECT_LE(KsDistance(simulated.overlaps, real.overlaps), 0.10);
  EXPECT_LE(KsDistance(simulated.segments, real.segments), 0.10);
}

TEST(Planner, EverySessionIsAFunctionOfItsIndex) {
  const SourceCorpus corpus = InventedCorpus(8, 1);
  const Profile ami = Preset("ami");
  PlanOptions o;
  o.seconds = 60;
  const std::string seven = DumpJson(ToJson(MakePlan(corpus, ami, o, 7), corpus));
  MakePlan(corpus, ami, o, 3);
  EXPECT_EQ(DumpJson(ToJson(MakePlan(corpus, ami, o, 7), corpus)), seven);
  o.seed = 43;
  EXPECT_NE(DumpJson(ToJson(MakePlan(corpus, ami, o, 7), corpus)), seven);
}

TEST(Planner, SpeakersAreUsedEquallyOften) {
  std::map<uint32_t, int> uses;
  for (uint32_t i = 0; i < 70; ++i) {
    const auto chosen = SpeakersOf(1, i, 3, 3, 7);
    EXPECT_EQ(std::set<uint32_t>(chosen.begin(), chosen.end()).size(), 3U);
    for (const uint32_t s : chosen) ++uses[s];
  }
  for (const auto& [speaker, count] : uses) EXPECT_NEAR(count, 30, 6) << speaker;
}

TEST(Planner, OneSpeakerMakesAMonologue) {
  const SourceCorpus corpus = InventedCorpus(2, 1);
  PlanOptions o;
  o.speakers = 1;
  o.seconds = 60;
  o.silence = 0.25;
  const SessionPlan plan = MakePlan(corpus, Preset("ami"), o, 0);
  EXPECT_TRUE(plan.infeasible.empty()) << plan.infeasible;
  EXPECT_NEAR(plan.silence, 0.25, 0.002);
  EXPECT_EQ(plan.overlap, 0);
}

TEST(Planner, TwentySpeakersFindRoom) {
  const SourceCorpus corpus = InventedCorpus(20, 1);
  PlanOptions o;
  o.speakers = 20;
  const SessionPlan plan = MakePlan(corpus, Preset("ami"), o, 0);
  Statistics s;
  AddRecording(SegmentsOf(plan, corpus), plan.length, &s);
  EXPECT_GE(s.sessions[0].speakers, 18U);
}

TEST(Planner, SharesThatCannotBeAreReportedNotMissed) {
  const SourceCorpus corpus = InventedCorpus(2, 1);
  PlanOptions o;
  o.seconds = 20;
  o.speakers = 2;
  o.overlap = 0.9;
  const SessionPlan plan = MakePlan(corpus, Preset("beta"), o, 0);
  EXPECT_GT(std::abs(plan.overlap - 0.9), 0.002);
  EXPECT_NE(plan.infeasible.find("overlap"), std::string::npos);
}

TEST(Planner, RefusesWhatNoSessionCouldHave) {
  const SourceCorpus corpus = InventedCorpus(3, 1);
  const Profile beta = Preset("beta");
  PlanOptions o;
  EXPECT_NE(CheckPlan(corpus, beta, o).message().find("needs 4 speakers and the sources have 3"),
            std::string::npos);
  o.speakers = 1;
  o.overlap = 0.1;
  EXPECT_NE(CheckPlan(corpus, beta, o).message().find("one speaker cannot overlap"),
            std::string::npos);
  o = {};
  o.speakers = 2;
  o.silence = 1.5;
  EXPECT_FALSE(CheckPlan(corpus, beta, o).ok());
}

TEST(RunningMean, TendsToTheSharesInLongSessions) {
  const SourceCorpus corpus = InventedCorpus(8, 1);
  PlanOptions o;
  o.seconds = 1200;
  o.speakers = 4;
  o.silence = 0.15;
  o.overlap = 0.10;
  o.rule = Rule::kRunningMean;
  double silence = 0, overlap = 0;
  for (uint32_t i = 0; i < 20; ++i) {
    const SessionPlan plan = MakePlan(corpus, Preset("beta"), o, i);
    const Recording labels = SegmentsOf(plan, corpus);
    EXPECT_TRUE(CheckNoSelfOverlap(labels).ok());
    const Coverage c = CoverageOf(labels.segments, plan.length);
    silence += c.silence_ratio() / 20;
    overlap += c.overlap_ratio() / 20;
  }
  EXPECT_NEAR(silence, 0.15, 0.02);
  EXPECT_NEAR(overlap, 0.10, 0.02);
}

TEST(Profile, ComesBackFromItsText) {
  for (const std::string& name : PresetNames()) {
    const Profile p = Preset(name.c_str());
    const auto again = ProfileFromJson(ToJson(p), "text");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(DumpJson(ToJson(*again)), DumpJson(ToJson(p)));
  }
}

TEST(Profile, SaysWhatIsWrongWithOne) {
  const auto message = [](const char* text) {
    const auto p = ProfileFromJson(nlohmann::json::parse(text), "p.json");
    return p.ok() ? std::string("fine") : p.status().message();
  };
  EXPECT_NE(message(R"({"speakers": [2], "silense": 0.1})").find("no use for 'silense'"),
            std::string::npos);
  EXPECT_NE(message(R"({"speakers": [2], "silence": 1.2})").find("silence share"),
            std::string::npos);
  EXPECT_NE(message(R"({"speakers": [30], "min_dominance": 0.05})").find("at most 0.033"),
            std::string::npos);
  EXPECT_NE(message(R"({"speakers": []})").find("no number of speakers"), std::string::npos);
  EXPECT_NE(message(R"({"speakers": [2], "same_pause": {"family": "cauchy"}})")
                .find("lognormal or gamma"),
            std::string::npos);
  EXPECT_NE(message(R"({"speakers": [2], "same_pause": {"quantiles": [2, 1]}})").find("ascending"),
            std::string::npos);
  const auto none = FindProfile("meetings");
  EXPECT_NE(none.status().message().find("give ami, beta, telephone, varied, voxconverse"),
            std::string::npos);
}

TEST(Draws, HaveTheMomentsAskedFor) {
  Draws d(1, 2, Purpose::kTurns);
  double gamma = 0, gamma2 = 0, beta = 0, words = 0, normal2 = 0;
  constexpr int kCount = 20000;
  for (int i = 0; i < kCount; ++i) {
    const double g = d.Gamma(2, 0.5), n = d.Normal();
    gamma += g / kCount;
    gamma2 += (g - 2) * (g - 2) / kCount;
    beta += d.Beta(0.15, 0.01) / kCount;
    words += d.NegativeBinomial(0.4, 0.05) / static_cast<double>(kCount);
    normal2 += n * n / kCount;
  }
  EXPECT_NEAR(gamma, 2, 0.02);
  EXPECT_NEAR(std::sqrt(gamma2), 0.5, 0.02);
  EXPECT_NEAR(beta, 0.15, 0.003);
  EXPECT_NEAR(words, 7.6, 0.4);
  EXPECT_NEAR(normal2, 1, 0.03);
}

}  // namespace
}  // namespace wring::speech
