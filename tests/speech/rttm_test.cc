#include "speech/labels/rttm.h"

#include <gtest/gtest.h>

#include "speech/labels/line.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

using wring::testing::DataDir;

Micros Time(std::string_view text) {
  Micros time = -1;
  EXPECT_TRUE(ParseMicros(text, &time)) << text;
  return time;
}

std::string Refusal(std::string_view text) {
  const auto parsed = ParseRttm(text, "a.rttm");
  return parsed.ok() ? "accepted" : parsed.status().message();
}

TEST(Times, AreReadExactlyToTheMicrosecond) {
  EXPECT_EQ(Time("0"), 0);
  EXPECT_EQ(Time("0.1") + Time("0.2"), Time("0.3"));
  EXPECT_EQ(Time("12.000001"), 12'000'001);
  EXPECT_EQ(Time(".5"), 500'000);
  EXPECT_EQ(Time("7."), 7'000'000);
  EXPECT_EQ(Time("-0.25"), -250'000);
  EXPECT_EQ(Time("10000000"), kMaxMicros);
  EXPECT_EQ(Time("00000000000000000000001.5"), 1'500'000);
}

TEST(Times, BeyondTheSixthDecimalAreRoundedHalfUp) {
  EXPECT_EQ(Time("1.4249999999999998"), 1'425'000);
  EXPECT_EQ(Time("0.0000004999"), 0);
  EXPECT_EQ(Time("0.0000005"), 1);
}

TEST(Times, ThatAreNoPlainDecimalsAreRefused) {
  for (const char* text : {"", ".", "-", "-.", "+1", "1e3", "nan", "inf", "0x10", "1.2.3", "1,5",
                           "10000000.000001", "99999999999999999999", "1 ", " 1", "--1"}) {
    Micros time = 0;
    EXPECT_FALSE(ParseMicros(text, &time)) << text;
  }
}

TEST(Times, AreWrittenWithThreeDecimalsAndMoreOnlyWhenNeeded) {
  EXPECT_EQ(MicrosText(0), "0.000");
  EXPECT_EQ(MicrosText(1'500'000), "1.500");
  EXPECT_EQ(MicrosText(1'234'500), "1.2345");
  EXPECT_EQ(MicrosText(1'000'001), "1.000001");
  EXPECT_EQ(MicrosText(-1), "-0.000001");
  for (const Micros time : {Micros{1}, Micros{999'999}, Micros{123'456'789}, kMaxMicros}) {
    EXPECT_EQ(Time(MicrosText(time)), time);
  }
}

TEST(Rttm, ReadsRecordingsInOrderOfAppearanceAndSegmentsInOrderOfTime) {
  const auto parsed = ParseRttm(
      "\xef\xbb\xbf;; a remark\n"
      "SPEAKER b 1 3.5 1.25 <NA> <NA> late <NA> <NA>\r\n"
      "\n"
      "SPKR-INFO b 1 <NA> <NA> <NA> unknown late <NA>\n"
      "  SPEAKER\ta 1 0 1 <NA> <NA> x\n"
      "LEXEME b 1 0.1 0.2 hello lex late <NA> <NA>\n"
      "NOSCORE b 1 0 1 <NA> <NA> <NA> <NA> <NA>\n"
      "SPEAKER b 2 0.1 0.2 <NA> <NA> early <NA>",
      "a.rttm");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const std::vector<Recording> expected = {
      {"b", {{100'000, 300'000, "early"}, {3'500'000, 4'750'000, "late"}}},
      {"a", {{0, 1'000'000, "x"}}}};
  EXPECT_EQ(*parsed, expected);
}

TEST(Rttm, NamesTheLineAndTheFaultOfWhatItRefuses) {
  EXPECT_EQ(Refusal("\nSPEAKER a 1 0 0 <NA> <NA> x"),
            "a.rttm: line 2: the duration 0.000 s is not above 0; correct the line or remove it");
  EXPECT_EQ(Refusal("SPEAKER a 1 1 -2.5 <NA> <NA> x"),
            "a.rttm: line 1: the duration -2.500 s is not above 0; correct the line or remove it");
  EXPECT_EQ(Refusal("SPEAKER a 1 -0.001 1 <NA> <NA> x"),
            "a.rttm: line 1: the start -0.001 s is before the recording begins; correct it there");
  EXPECT_EQ(Refusal("SPEAKER a 1 9999999 2 <NA> <NA> x"),
            "a.rttm: line 1: ends after 1e7 s; correct its times");
  EXPECT_EQ(Refusal("SPEAKER a 1 0x1 1 <NA> <NA> x"),
            "a.rttm: line 1: the start '0x1' is not a decimal number of seconds up to 1e7; correct "
            "it there");
  EXPECT_NE(Refusal("SPEAKER a 1 0 1 <NA> <NA>").find("line 1: has 7 fields"), std::string::npos);
  EXPECT_NE(Refusal("SPEAKER a 1 0 1 <NA> <NA> x y z w").find("has 11 fields"), std::string::npos);
  EXPECT_NE(Refusal("a 1 0 1\x1b").find("'a' is not a type of the RTTM format"), std::string::npos);
}

TEST(Rttm, OfNothingIsNoRecording) {
  const auto parsed = ParseRttm("", "a.rttm");
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->empty());
}

TEST(Rttm, WritesWhatItReads) {
  const Recording recording = {"name", {{0, 1'000'001, "ann"}, {1'500'000, 2'000'000, "ben"}}};
  const std::string text = RttmText(recording);
  EXPECT_EQ(text,
            "SPEAKER name 1 0.000 1.000001 <NA> <NA> ann <NA> <NA>\n"
            "SPEAKER name 1 1.500 0.500 <NA> <NA> ben <NA> <NA>\n");
  const auto parsed = ParseRttm(text, "a.rttm");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, std::vector{recording});
  EXPECT_EQ(RttmText({"a b", {{0, 1'000'000, "the\nchair"}}}),
            "SPEAKER a_b 1 0.000 1.000 <NA> <NA> the_chair <NA> <NA>\n");
}

TEST(SelfOverlap, IsToldByRecordingSpeakerAndTimes) {
  EXPECT_TRUE(CheckNoSelfOverlap({"r", {{0, 2, "a"}, {1, 3, "b"}, {2, 4, "a"}}}).ok());
  const auto status = CheckNoSelfOverlap(
      {"r", {{0, 5'000'000, "a"}, {1'000'000, 2'000'000, "b"}, {4'000'000, 6'000'000, "a"}}});
  EXPECT_EQ(status.message(),
            "recording 'r': speaker 'a' begins at 4.000 s, before an earlier segment of the same "
            "speaker ends at 5.000 s; merge the two or give one of them another name");
}

TEST(SelfOverlap, MergesIntoTheUnionOfEachSpeaker) {
  const std::vector<Segment> merged = MergeSelfOverlaps(
      {{5, 9, "a"}, {0, 4, "a"}, {3, 6, "b"}, {1, 2, "a"}, {8, 12, "a"}, {12, 13, "a"}});
  const std::vector<Segment> expected = {{0, 4, "a"}, {3, 6, "b"}, {5, 12, "a"}, {12, 13, "a"}};
  EXPECT_EQ(merged, expected);
  EXPECT_TRUE(CheckNoSelfOverlap({"r", merged}).ok());
}

TEST(SelfOverlap, MergedSegmentsAreInOrderThoughTheirEndsGrew) {
  const std::vector<Segment> expected = {{0, 3, "b"}, {0, 9, "a"}};
  EXPECT_EQ(MergeSelfOverlaps({{0, 2, "a"}, {0, 3, "b"}, {1, 9, "a"}}), expected);
}

TEST(Rttm, ReadsTheCorporaAndWritesThemBack) {
  const auto folder = DataDir() / "speech/rttm";
  WRING_SKIP_WITHOUT(folder, "place the RTTM files of AMI and VoxConverse there");
  size_t files = 0, segments = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".rttm") continue;
    const auto parsed = ReadRttm(entry.path().string());
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    for (const Recording& recording : *parsed) {
      segments += recording.segments.size();
      const auto again = ParseRttm(RttmText(recording), "again");
      ASSERT_TRUE(again.ok()) << again.status().message();
      ASSERT_EQ(*again, std::vector{recording});
      EXPECT_TRUE(CheckNoSelfOverlap({recording.name, MergeSelfOverlaps(recording.segments)}).ok());
    }
    ++files;
  }
  EXPECT_GT(files, 0U);
  EXPECT_GT(segments, 10 * files);
}

}  // namespace
}  // namespace wring::speech
