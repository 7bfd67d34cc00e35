// The formats of labels beside RTTM, and sets of time.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "speech/labels/ctm.h"
#include "speech/labels/export.h"
#include "speech/labels/spans.h"
#include "speech/labels/text_grid.h"
#include "speech/labels/uem.h"
#include "support/test_data.h"

namespace wring::speech {
namespace {

TEST(Uem, PartsAreInOrderAndThoseThatTouchAreOne) {
  const auto uem = ParseUem("b 1 5 6\na NA 2.5 3\na 1 0 1\na 2 1 2\nb 1 5.5 7.25\n", "a.uem");
  ASSERT_TRUE(uem.ok()) << uem.status().message();
  const Uem expected = {{"a", {{0, 2'000'000}, {2'500'000, 3'000'000}}},
                        {"b", {{5'000'000, 7'250'000}}}};
  EXPECT_EQ(*uem, expected);
  EXPECT_EQ(UemText(*uem), "a 1 0.000 2.000\na 1 2.500 3.000\nb 1 5.000 7.250\n");
}

TEST(Uem, ANameIsNeverWrittenAsARemark) {
  EXPECT_EQ(UemText({{"#1", {{0, 1'000'000}}}, {";x y", {{0, 1'000'000}}}}),
            "_1 1 0.000 1.000\n_x_y 1 0.000 1.000\n");
}

TEST(Uem, NamesTheLineOfWhatItRefuses) {
  EXPECT_EQ(ParseUem("# remark\na 1 5 5", "a.uem").status().message(),
            "a.uem: line 2: the end 5.000 s is not after the start 5.000 s; correct the line or "
            "remove it");
  EXPECT_FALSE(ParseUem("a 1 5", "a.uem").ok());
  EXPECT_FALSE(ParseUem("a 1 -1 5", "a.uem").ok());
}

TEST(Uem, ReadsTheExcerptsOfAmi) {
  const auto path = wring::testing::DataDir() / "speech/ami_excerpts/debug.development.uem";
  WRING_SKIP_WITHOUT(path, "place the excerpts of AMI there");
  const auto uem = ReadUem(path.string());
  ASSERT_TRUE(uem.ok()) << uem.status().message();
  const Uem expected = {{"dev00", {{0, 30'000'000}}}, {"dev01", {{0, 30'000'000}}}};
  EXPECT_EQ(*uem, expected);
}

TEST(Ctm, ReadsWhatStandsThereAndWritesItBack) {
  const auto words = ParseCtm(
      ";; remark\ns 1 0.5 0.25 hello 0.75 lex ann\ns A 1 0 uh NA fp\ns 1 2 1 plain\n", "a.ctm");
  ASSERT_TRUE(words.ok()) << words.status().message();
  const std::vector<Word> expected = {
      {"s", "1", 500'000, 750'000, "hello", 0.75, "lex", "ann"},
      {"s", "A", 1'000'000, 1'000'000, "uh", std::nullopt, "fp", ""},
      {"s", "1", 2'000'000, 3'000'000, "plain", std::nullopt, "lex", ""}};
  EXPECT_EQ(*words, expected);
  const std::string text = CtmText(*words);
  EXPECT_EQ(text,
            "s 1 0.500 0.250 hello 0.75 lex ann\ns A 1.000 0.000 uh NA fp NA\n"
            "s 1 2.000 1.000 plain NA lex NA\n");
  const auto again = ParseCtm(text, "a.ctm");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, expected);
}

TEST(Ctm, RefusesFieldsThatMeanNothing) {
  EXPECT_EQ(ParseCtm("s 1 0 1 w high", "a.ctm").status().message(),
            "a.ctm: line 1: the confidence 'high' is neither a number nor NA; correct it there");
  EXPECT_EQ(ParseCtm("s 1 0 -1 w", "a.ctm").status().message(),
            "a.ctm: line 1: the duration -1.000 s is below 0; correct the line or remove it");
  EXPECT_FALSE(ParseCtm("s 1 0 1", "a.ctm").ok());
  EXPECT_FALSE(ParseCtm("s 1 0 1 w inf", "a.ctm").ok());
  EXPECT_FALSE(ParseCtm("s 1 0 1 w 1 lex a b", "a.ctm").ok());
}

TEST(Spans, OfTimeFollowTheLawsOfSets) {
  const auto a = Union({{7, 9}, {0, 2}, {2, 4}, {1, 3}});
  EXPECT_EQ(a, (std::vector<Span>{{0, 4}, {7, 9}}));
  const std::vector<Span> b = {{1, 2}, {3, 8}};
  EXPECT_EQ(Intersect(a, b), (std::vector<Span>{{1, 2}, {3, 4}, {7, 8}}));
  EXPECT_EQ(Subtract(a, b), (std::vector<Span>{{0, 1}, {2, 3}, {8, 9}}));
  EXPECT_EQ(Subtract(b, a), (std::vector<Span>{{4, 7}}));
  EXPECT_EQ(Length(a), 6);
}

TEST(Spans, OverlapNeedsTwoDifferentSpeakers) {
  EXPECT_EQ(Overlap({"r", {{0, 5, "a"}, {1, 3, "a"}, {4, 6, "b"}}}), (std::vector<Span>{{4, 5}}));
  EXPECT_EQ(Overlap({"r", {{0, 9, "a"}, {1, 3, "b"}, {2, 4, "c"}, {8, 12, "c"}}}),
            (std::vector<Span>{{1, 4}, {8, 9}}));
  EXPECT_TRUE(Overlap({"r", {{0, 1, "a"}, {1, 2, "b"}}}).empty());
}

TEST(Audacity, HasALabelALine) {
  EXPECT_EQ(AudacityText({"r", {{0, 1'500'000, "a\tb"}, {2'000'000, 3'000'000, "c"}}}),
            "0.000\t1.500\ta b\n2.000\t3.000\tc\n");
}

TEST(Stm, ReadsWithAndWithoutLabelsAndWritesWhatItReads) {
  const auto utterances = ParseStm(
      ";; CATEGORY \"0\"\nr 1 ann 0 1.5 <o,f0,male> hello  there\nr 1 ben 1 2\nr 1 c 2 3 plain\n",
      "a.stm");
  ASSERT_TRUE(utterances.ok()) << utterances.status().message();
  const std::vector<Utterance> expected = {{"r", "ann", 0, 1'500'000, "hello there"},
                                           {"r", "ben", 1'000'000, 2'000'000, ""},
                                           {"r", "c", 2'000'000, 3'000'000, "plain"}};
  EXPECT_EQ(*utterances, expected);
  const std::vector<Utterance> odd = {{"r", "ann", 0, 1, "<laughs> yes"}};
  const auto again = ParseStm(StmText(odd), "a.stm");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, odd);
  EXPECT_FALSE(ParseStm("r 1 ann 0", "a.stm").ok());
}

TEST(SegLst, ReadsNumbersAndDecimalsInQuotes) {
  const auto utterances = ParseSegLst(
      R"([{"session_id":"r","speaker":"a","start_time":0.1,"end_time":"2.000001","words":" x  y "},
          {"session_id":"r","speaker":"b","start_time":3,"end_time":4,"other":null}])",
      "a.json");
  ASSERT_TRUE(utterances.ok()) << utterances.status().message();
  const std::vector<Utterance> expected = {{"r", "a", 100'000, 2'000'001, "x y"},
                                           {"r", "b", 3'000'000, 4'000'000, ""}};
  EXPECT_EQ(*utterances, expected);
  const auto again = ParseSegLst(SegLstText(*utterances), "a.json");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(*again, expected);
  EXPECT_EQ(SegLstText({}), "[\n]\n");
}

TEST(SegLst, RefusesWhatIsNoListOfSegments) {
  for (const char* text : {"", "{}", "[1]", "[{}]", "[", "[],\"segments\":[]",
                           R"([{"session_id":"r","speaker":"a","start_time":2,"end_time":2}])",
                           R"([{"session_id":"r","speaker":"a","start_time":-1,"end_time":2}])",
                           R"([{"session_id":"r","speaker":"a","start_time":"x","end_time":2}])",
                           R"([{"session_id":"r","speaker":"a","start_time":0,"end_time":1e300}])",
                           R"([{"session_id":"r","speaker":4,"start_time":0,"end_time":1}])"}) {
    EXPECT_FALSE(ParseSegLst(text, "a.json").ok()) << text;
  }
}

TEST(Lhotse, LinesAreJsonWithTheTimesOfTheSegments) {
  const Recording recording = {"r", {{100'000, 1'500'000, "a"}, {2'000'000, 3'000'000, "b"}}};
  const std::string text = LhotseSupervisions(recording);
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["recording_id"], "r");
  EXPECT_EQ(first["start"], 0.1);
  EXPECT_EQ(first["duration"], 1.4);
  EXPECT_EQ(first["speaker"], "a");
  const auto cut = nlohmann::json::parse(LhotseCut(recording, {"r.wav", 16000, 64000}));
  EXPECT_EQ(cut["type"], "MonoCut");
  EXPECT_EQ(cut["duration"], 4.0);
  EXPECT_EQ(cut["supervisions"].size(), 2U);
  EXPECT_EQ(cut["supervisions"][1]["id"], "r-000001");
  EXPECT_EQ(cut["recording"]["sources"][0]["source"], "r.wav");
  EXPECT_EQ(cut["recording"]["num_samples"], 64000);
}

constexpr const char* kLongGrid = R"(File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "ann"
        xmin = 0
        xmax = 2.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = "say ""hi"""
        intervals [2]:
            xmin = 1.25
            xmax = 2.5
            text = " "
    item [2]:
        class = "TextTier"
        name = "bell"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 1
            mark = "ding"
)";
constexpr const char* kShortGrid =
    "File type = "
    "\"ooTextFile\"\n\"TextGrid\"\n\n0\n2.5\n<exists>\n2\n\"IntervalTier\"\n\"ann\"\n0\n"
    "2.5\n2\n0\n1.25\n\"say \"\"hi\"\"\"\n1.25\n2.5\n\" \"\n\"TextTier\"\n\"bell\"\n0\n2.5\n1\n1\n"
    "\"ding\"";

TEST(TextGrid, LongAndShortFormsSayTheSame) {
  for (const char* text : {kLongGrid, kShortGrid}) {
    const auto tiers = ParseTextGrid(text, "a.TextGrid");
    ASSERT_TRUE(tiers.ok()) << tiers.status().message();
    ASSERT_EQ(tiers->size(), 1U);
    EXPECT_EQ((*tiers)[0].name, "ann");
    ASSERT_EQ((*tiers)[0].intervals.size(), 2U);
    EXPECT_EQ((*tiers)[0].intervals[0].text, "say \"hi\"");
    EXPECT_EQ((*tiers)[0].intervals[1].end, 2'500'000);
    EXPECT_EQ(SpeakersOf(*tiers, "r"), (Recording{"r", {{0, 1'250'000, "ann"}}}));
  }
}

TEST(TextGrid, CutAnywhereIsRefused) {
  const std::string_view text = kLongGrid;
  for (size_t size = 0; size + 3 < text.size(); ++size) {
    const auto tiers = ParseTextGrid(text.substr(0, size), "a.TextGrid");
    ASSERT_FALSE(tiers.ok()) << size;
    ASSERT_TRUE(tiers.status().message().starts_with("a.TextGrid: "));
  }
  EXPECT_NE(ParseTextGrid("\xff\xfe", "a").status().message().find("UTF-16"), std::string::npos);
}

}  // namespace
}  // namespace wring::speech
