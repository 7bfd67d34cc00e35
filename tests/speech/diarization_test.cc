#include "speech/score/diarization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/rng.h"
#include "speech/labels/rttm.h"
#include "speech/labels/spans.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

using wring::testing::DataDir;

DiarizationScore Score(const Recording& reference, const Recording& hypothesis,
                       const ScoreOptions& options = {}) {
  const auto score = ScoreDiarization(reference, hypothesis, options);
  EXPECT_TRUE(score.ok()) << score.status().message();
  return score.ok() ? *score : DiarizationScore();
}

double Percent(Micros part, Micros total) {
  return 100 * static_cast<double>(part) / static_cast<double>(total);
}

// The example of spyder's README; its figures have two decimals.
const Recording kSpyderReference = {
    "r", {{0, 2'000'000, "A"}, {1'500'000, 3'500'000, "B"}, {4'000'000, 5'100'000, "A"}}};
const Recording kSpyderHypothesis = {"r",
                                     {{0, 800'000, "1"},
                                      {600'000, 2'300'000, "2"},
                                      {2'100'000, 3'900'000, "3"},
                                      {3'800'000, 5'200'000, "1"}}};

TEST(Diarization, MatchesTheExampleOfSpyder) {
  const auto score = Score(kSpyderReference, kSpyderHypothesis);
  EXPECT_EQ(score.total, 5'100'000);
  EXPECT_NEAR(Percent(score.miss, score.total), 9.80, 0.005);
  EXPECT_NEAR(Percent(score.false_alarm, score.total), 21.57, 0.005);
  EXPECT_NEAR(Percent(score.confusion, score.total), 25.49, 0.005);
  EXPECT_NEAR(100 * score.rate(), 56.86, 0.005);
  EXPECT_EQ(score.scored, 5'200'000);
}

TEST(Diarization, MatchesTheExampleOfSpyderInsideAUem) {
  const auto score =
      Score(kSpyderReference, kSpyderHypothesis, {.uem = std::vector<Span>{{500'000, 5'000'000}}});
  EXPECT_DOUBLE_EQ(score.rate(), 0.6);
  EXPECT_EQ(score.scored, 4'500'000);
}

TEST(Diarization, MatchesTheExampleOfSpyderWithACollar) {
  const auto score = Score(kSpyderReference, kSpyderHypothesis, {.collar = 200'000});
  EXPECT_NEAR(Percent(score.miss, score.total), 3.23, 0.005);
  EXPECT_NEAR(Percent(score.false_alarm, score.total), 12.90, 0.005);
  EXPECT_NEAR(Percent(score.confusion, score.total), 19.35, 0.005);
  EXPECT_NEAR(100 * score.rate(), 35.48, 0.005);
}

TEST(Diarization, MatchesMdEvalOnAMeetingOfAmi) {
  const auto folder = DataDir() / "speech/der_goldens";
  WRING_SKIP_WITHOUT(folder, "place the RTTM files of SpeechBrain's DER test there");
  const auto reference = ReadRttm((folder / "speechbrain_ref_rttm_ES2014c.rttm").string());
  const auto system = ReadRttm((folder / "speechbrain_sys_rttm_ES2014c.rttm").string());
  ASSERT_TRUE(reference.ok() && system.ok());
  const auto& r = reference->at(0);
  const auto& s = system->at(0);
  // The figure of SpeechBrain's documentation, from md-eval itself; then those of the project's own
  // interval scorer in Python.
  EXPECT_NEAR(100 * Score(r, s, {.collar = 250'000, .skip_overlap = true}).rate(), 7.16923618,
              1e-7);
  EXPECT_NEAR(100 * Score(r, s, {.collar = 250'000}).rate(), 10.3932, 5e-5);
  const auto plain = Score(r, s);
  EXPECT_NEAR(100 * plain.rate(), 19.4683, 1e-4);
  EXPECT_NEAR(Percent(plain.miss, plain.total), 9.301, 5e-4);
  EXPECT_NEAR(Percent(plain.false_alarm, plain.total), 0.252, 6e-4);
  EXPECT_NEAR(Percent(plain.confusion, plain.total), 9.915, 5e-4);
}

constexpr Micros S(int64_t seconds) { return seconds * kMicrosPerSecond; }
// The cases of pyannote.metrics' tests.
const Recording kPyannoteReference = {
    "r", {{S(0), S(10), "A"}, {S(12), S(20), "B"}, {S(24), S(27), "A"}, {S(30), S(40), "C"}}};
const Recording kPyannoteOverlap = {
    "r", {{S(0), S(13), "A"}, {S(12), S(20), "B"}, {S(24), S(27), "A"}, {S(30), S(40), "C"}}};
const Recording kPyannoteHypothesis = {"r",
                                       {{S(2), S(13), "a"},
                                        {S(13), S(14), "d"},
                                        {S(14), S(20), "b"},
                                        {S(22), S(38), "c"},
                                        {S(38), S(40), "d"}}};

TEST(Diarization, MatchesTheTestsOfPyannoteMetrics) {
  const auto score = Score(kPyannoteReference, kPyannoteHypothesis);
  EXPECT_EQ(score.confusion, S(7));
  EXPECT_EQ(score.false_alarm, S(7));
  EXPECT_EQ(score.miss, S(2));
  EXPECT_EQ(score.total, S(31));
  EXPECT_NEAR(score.rate(), 0.5161290322580645, 1e-15);
  const std::vector<std::pair<std::string, std::string>> mapping = {
      {"A", "a"}, {"B", "b"}, {"C", "c"}};
  EXPECT_EQ(score.mapping, mapping);
  EXPECT_EQ(Score(kPyannoteOverlap, kPyannoteHypothesis).total, S(34));
  EXPECT_EQ(Score(kPyannoteOverlap, kPyannoteHypothesis, {.skip_overlap = true}).total, S(32));
  // Its collar of 1 s counts both sides together.
  EXPECT_EQ(Score({"r", {{0, S(10), "A"}}}, {"r", {}}, {.collar = S(1) / 2}).total, S(9));
}

TEST(Diarization, JaccardErrorIsTheMeanOverSpeakers) {
  const Recording reference = {"r", {{0, 4, "A"}, {4, 6, "B"}, {8, 9, "C"}}};
  const Recording hypothesis = {"r", {{0, 3, "1"}, {3, 6, "2"}}};
  // A: 3 of 4 in common; B: 2 of 3; C: nobody.
  EXPECT_NEAR(Score(reference, hypothesis).jaccard(), (1.0 / 4 + 1.0 / 3 + 1) / 3, 1e-15);
  EXPECT_EQ(Score(reference, reference).jaccard(), 0);
  EXPECT_EQ(Score({"r", {}}, hypothesis).jaccard(), 1);
}

TEST(Diarization, ASilentReferenceHasRateZeroOrOne) {
  EXPECT_EQ(Score({"r", {}}, {"r", {}}).rate(), 0);
  const auto score = Score({"r", {}}, kSpyderHypothesis);
  EXPECT_EQ(score.total, 0);
  EXPECT_GT(score.false_alarm, 0);
  EXPECT_EQ(score.rate(), 1);
}

TEST(Diarization, OfTheReferenceAloneCountsNoFalseAlarmsOutsideIt) {
  const Recording reference = {"r", {{10, 20, "A"}}}, hypothesis = {"r", {{0, 30, "1"}}};
  EXPECT_EQ(Score(reference, hypothesis).false_alarm, 20);
  EXPECT_EQ(Score(reference, hypothesis, {.extent = Extent::kReference}).false_alarm, 0);
}

TEST(Diarization, SomeoneWhoOverlapsThemselfSpeaksOnce) {
  const Recording twice = {"r", {{0, 10, "A"}, {5, 15, "A"}}}, once = {"r", {{0, 15, "A"}}};
  for (const auto& [r, h] : {std::pair(twice, once), std::pair(once, twice)}) {
    const auto score = Score(r, h);
    EXPECT_EQ(score.total, 15);
    EXPECT_EQ(score.errors(), 0);
  }
}

TEST(Diarization, RefusesWhatIsNoTime) {
  EXPECT_FALSE(ScoreDiarization({"r", {{5, 5, "A"}}}, {"r", {}}).ok());
  EXPECT_FALSE(ScoreDiarization({"r", {}}, {"r", {{0, kMaxMicros + 1, "A"}}}).ok());
  EXPECT_FALSE(ScoreDiarization({"r", {}}, {"r", {}}, {.collar = -1}).ok());
  EXPECT_FALSE(
      ScoreDiarization({"r", {}}, {"r", {}}, {.uem = std::vector<Span>{{0, 2}, {1, 3}}}).ok());
  Recording crowd{"r", {}};
  for (size_t i = 0; i <= kMaxScoredSpeakers; ++i) {
    crowd.segments.push_back({0, 1, std::to_string(i)});
  }
  EXPECT_NE(ScoreDiarization(crowd, {"r", {}}).status().message().find("1001 speakers"),
            std::string::npos);
}

TEST(DiarizationCorpus, AddsUpRecordingsAndMissesThoseThatAreAbsent) {
  const std::vector<Recording> references = {kSpyderReference, {"s", {{0, 3'000'000, "A"}}}};
  const auto corpus = ScoreDiarizations(references, {kSpyderHypothesis});
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  ASSERT_EQ(corpus->recordings.size(), 2U);
  EXPECT_EQ(corpus->recordings[1].recording, "s");
  EXPECT_EQ(corpus->recordings[1].score.rate(), 1);
  EXPECT_EQ(corpus->sum.total, 8'100'000);
  EXPECT_EQ(corpus->sum.miss, 3'500'000);
  EXPECT_EQ(corpus->sum.errors(), 2'900'000 + 3'000'000);
  EXPECT_EQ(corpus->sum.speakers, 3U);
}

TEST(DiarizationCorpus, TellsWhatDoesNotMatch) {
  const auto message = [](const auto& result) { return result.status().message(); };
  EXPECT_NE(message(ScoreDiarizations({}, {kSpyderHypothesis})).find("'r': the hypothesis has it"),
            std::string::npos);
  EXPECT_NE(message(ScoreDiarizations({kSpyderReference, kSpyderReference}, {})).find("twice"),
            std::string::npos);
  const Uem other = {{"s", {{0, 1}}}};
  EXPECT_NE(message(ScoreDiarizations({kSpyderReference}, {}, {}, &other)).find("no line for it"),
            std::string::npos);
  const Uem uem = {{"r", {{0, 1'000'000}}}};
  const auto silence = ScoreDiarizations({}, {kSpyderHypothesis}, {}, &uem);
  ASSERT_TRUE(silence.ok());
  EXPECT_EQ(silence->sum.false_alarm, 1'200'000);
}

// --- Against a scorer that looks at every millisecond and tries every mapping.

class Draws {
 public:
  explicit Draws(uint32_t trial) : trial_(trial) {}
  uint32_t Below(uint32_t n) { return Philox({trial_, next_++, 0, 0}, 3)[0] % n; }

 private:
  uint32_t trial_, next_ = 0;
};

constexpr Micros kFrame = 1000;

Recording RandomRecording(Draws* draws, const char* names) {
  Recording recording{"r", {}};
  const uint32_t speakers = draws->Below(4) + 1, segments = draws->Below(9);
  for (uint32_t i = 0; i < segments; ++i) {
    const Micros start = draws->Below(200), length = draws->Below(60) + 1;
    recording.segments.push_back(
        {start * kFrame, (start + length) * kFrame, std::string(1, names[draws->Below(speakers)])});
  }
  std::ranges::sort(recording.segments, std::less<>());
  return recording;
}

std::set<std::string> SpeakersAt(const Recording& recording, Micros time) {
  std::set<std::string> speakers;
  for (const Segment& s : recording.segments) {
    if (s.start <= time && time < s.end) speakers.insert(s.speaker);
  }
  return speakers;
}

struct Slow {
  Micros scored = 0, total = 0, miss = 0, false_alarm = 0;
  std::set<Micros> confusions;  // of every mapping that is as good as the best
};

Slow SlowScore(const Recording& reference, const Recording& hypothesis,
               const ScoreOptions& options) {
  Slow slow;
  Micros first = 1 << 30, last = 0;
  for (const Recording* side : {&reference, &hypothesis}) {
    if (side == &hypothesis && options.extent == Extent::kReference) break;
    for (const Segment& s : side->segments) first = std::min(first, s.start);
    for (const Segment& s : side->segments) last = std::max(last, s.end);
  }
  std::map<char, std::map<char, Micros>> evaluated, scored;
  Micros paired = 0;
  for (Micros t = 0; t < 400 * kFrame; t += kFrame) {
    bool in = first <= t && t < last;
    if (options.uem) {
      in = std::ranges::any_of(*options.uem,
                               [&](const Span& s) { return s.start <= t && t < s.end; });
    }
    if (!in) continue;
    const auto r = SpeakersAt(reference, t), h = SpeakersAt(hypothesis, t);
    bool counts = !(options.skip_overlap && r.size() > 1);
    for (const Segment& s : reference.segments) {
      for (const Micros b : {s.start, s.end}) {
        counts &= t < b - options.collar || t >= b + options.collar;
      }
    }
    for (const auto& a : r) {
      for (const auto& b : h) {
        evaluated[a[0]][b[0]] += kFrame;
        if (counts) scored[a[0]][b[0]] += kFrame;
      }
    }
    if (!counts) continue;
    const auto nr = static_cast<Micros>(r.size()), nh = static_cast<Micros>(h.size());
    slow.scored += kFrame;
    slow.total += kFrame * nr;
    slow.miss += kFrame * std::max<Micros>(0, nr - nh);
    slow.false_alarm += kFrame * std::max<Micros>(0, nh - nr);
    paired += kFrame * std::min(nr, nh);
  }
  std::string order = "1234";
  Micros best = -1;
  do {
    Micros common = 0, correct = 0;
    for (size_t i = 0; i < 4; ++i) common += evaluated["ABCD"[i]][order[i]];
    for (size_t i = 0; i < 4; ++i) correct += scored["ABCD"[i]][order[i]];
    if (common > best) slow.confusions.clear();
    best = std::max(best, common);
    if (common == best) slow.confusions.insert(paired - correct);
  } while (std::ranges::next_permutation(order).found);
  return slow;
}

TEST(DiarizationProperty, EqualsAScorerThatLooksAtEveryMillisecond) {
  size_t with_errors = 0, excluded = 0;
  for (uint32_t trial = 0; trial < 1500; ++trial) {
    Draws draws(trial);
    const Recording reference = RandomRecording(&draws, "ABCD");
    const Recording hypothesis = RandomRecording(&draws, "1234");
    ScoreOptions options;
    options.collar = draws.Below(2) * draws.Below(12) * kFrame;
    options.skip_overlap = draws.Below(2) == 1;
    options.extent = draws.Below(2) == 1 ? Extent::kReference : Extent::kBoth;
    if (draws.Below(3) == 0) {
      std::vector<Span> spans;
      for (int i = 0; i < 3; ++i) {
        const Micros start = draws.Below(250) * kFrame;
        spans.push_back({start, start + (draws.Below(90) + 1) * kFrame});
      }
      options.uem = Union(spans);
    }
    const Slow slow = SlowScore(reference, hypothesis, options);
    const auto score = Score(reference, hypothesis, options);
    ASSERT_EQ(score.scored, slow.scored) << trial;
    ASSERT_EQ(score.total, slow.total) << trial;
    ASSERT_EQ(score.miss, slow.miss) << trial;
    ASSERT_EQ(score.false_alarm, slow.false_alarm) << trial;
    ASSERT_TRUE(slow.confusions.contains(score.confusion)) << trial;
    with_errors += score.confusion > 0;
    excluded += options.collar > 0 && options.skip_overlap && score.total > 0;
  }
  EXPECT_GT(with_errors, 300U);
  EXPECT_GT(excluded, 100U);
}

TEST(DiarizationProperty, MissAndFalseAlarmChangePlacesWithTheSides) {
  for (uint32_t trial = 0; trial < 500; ++trial) {
    Draws draws(trial + 10'000);
    const Recording a = RandomRecording(&draws, "ABCD"), b = RandomRecording(&draws, "1234");
    const auto there = Score(a, b), back = Score(b, a);
    ASSERT_EQ(there.miss, back.false_alarm) << trial;
    ASSERT_EQ(there.false_alarm, back.miss) << trial;
    ASSERT_EQ(there.confusion, back.confusion) << trial;
    ASSERT_EQ(Score(a, a).errors(), 0) << trial;
    Recording renamed = a;
    for (Segment& s : renamed.segments) s.speaker = "x" + s.speaker;
    ASSERT_EQ(Score(a, renamed).errors(), 0) << trial;
  }
}

}  // namespace
}  // namespace wring::speech
