// Damaged label files: whatever bytes change, a reader gives what its format promises or one line
// of refusal.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "speech/labels/ctm.h"
#include "speech/labels/export.h"
#include "speech/labels/rttm.h"
#include "speech/labels/text_grid.h"
#include "speech/labels/uem.h"

namespace wring::speech {
namespace {

// `text` with one to four changes: a byte set, a piece cut out, a piece said twice.
std::string Damaged(std::string text, uint32_t trial) {
  constexpr std::string_view kBytes = "0123456789.-eE \t\n\r\"<>;#[]{},:aN\x00\x7f\xff";
  const uint32_t changes = Philox({trial, 0, 0, 0}, 11)[0] % 4 + 1;
  for (uint32_t i = 1; i <= changes && !text.empty(); ++i) {
    const auto draw = Philox({trial, i, 0, 0}, 11);
    const size_t at = draw[0] % text.size();
    const size_t length = std::min<size_t>(draw[1] % 12 + 1, text.size() - at);
    switch (draw[2] % 3) {
      case 0: text[at] = kBytes[draw[3] % kBytes.size()]; break;
      case 1: text.erase(at, length); break;
      default: text.insert(at, text.substr(at, length)); break;
    }
  }
  return text;
}

template <typename T>
void CheckRefusal(const Result<T>& result) {
  const std::string& message = result.status().message();
  ASSERT_TRUE(message.starts_with("file: ")) << message;
  ASSERT_LT(message.size(), 1000U);
  ASSERT_TRUE(std::ranges::all_of(message, [](char c) { return c >= 0x20 && c < 0x7f; }));
}

// Parses damaged forms of `text`; `check` looks at those that parse.
template <typename Parse, typename Check>
void Damage(const std::string& text, Parse parse, Check check) {
  size_t accepted = 0, refused = 0;
  for (uint32_t trial = 0; trial < 4000; ++trial) {
    const auto result = parse(Damaged(text, trial), "file");
    if (result.ok()) {
      ASSERT_NO_FATAL_FAILURE(check(*result)) << trial;
      ++accepted;
    } else {
      ASSERT_NO_FATAL_FAILURE(CheckRefusal(result)) << trial;
      ++refused;
    }
  }
  EXPECT_GT(accepted, 50U);
  EXPECT_GT(refused, 50U);
}

TEST(DamagedLabels, Rttm) {
  Damage(
      "SPEAKER rec 1 0.500 1.25 <NA> <NA> ann <NA> <NA>\n;; remark\n"
      "SPKR-INFO rec 1 <NA> <NA> <NA> unknown ann <NA>\n"
      "SPEAKER rec 1 1.000001 7 <NA> <NA> ben <NA>\n",
      ParseRttm, [](const std::vector<Recording>& recordings) {
        for (const Recording& recording : recordings) {
          ASSERT_TRUE(std::ranges::is_sorted(recording.segments, std::less<>()));
          for (const Segment& s : recording.segments) {
            ASSERT_TRUE(0 <= s.start && s.start < s.end && s.end <= kMaxMicros);
          }
          const auto again = ParseRttm(RttmText(recording), "again");
          ASSERT_TRUE(again.ok()) << again.status().message();
          ASSERT_EQ(*again, std::vector{recording});
        }
      });
}

TEST(DamagedLabels, Uem) {
  Damage("rec 1 0.000 30.5\nrec 1 40 41\nother NA 7.25 8\n", ParseUem, [](const Uem& uem) {
    for (const auto& [name, spans] : uem) {
      Micros last = -1;
      for (const Span& span : spans) {
        ASSERT_TRUE(last < span.start && span.start < span.end);
        last = span.end;
      }
    }
    const auto again =
        ParseUem(";\n" + UemText(uem), "again");  // a name may begin as a file's mark
    ASSERT_TRUE(again.ok()) << again.status().message();
    ASSERT_EQ(*again, uem);
  });
}

TEST(DamagedLabels, Ctm) {
  Damage("rec 1 0.5 0.25 hello 0.75 lex ann\nrec 1 1 0 uh NA fp\n", ParseCtm,
         [](const std::vector<Word>& words) {
           const auto again = ParseCtm(";\n" + CtmText(words), "again");
           ASSERT_TRUE(again.ok()) << again.status().message();
           ASSERT_EQ(*again, words);
         });
}

TEST(DamagedLabels, Stm) {
  Damage("rec 1 ann 0 1.5 <o,f0> hello there\nrec 1 ben 1 2.25\n", ParseStm,
         [](const std::vector<Utterance>& utterances) {
           const auto again = ParseStm(";\n" + StmText(utterances), "again");
           ASSERT_TRUE(again.ok()) << again.status().message();
           ASSERT_EQ(*again, utterances);
         });
}

TEST(DamagedLabels, SegLst) {
  Damage(
      R"([{"session_id":"r","speaker":"a","start_time":0.1,"end_time":"2.5","words":"x y"},
          {"session_id":"r","speaker":"b","start_time":3,"end_time":4}])",
      ParseSegLst, [](const std::vector<Utterance>& utterances) {
        const auto again = ParseSegLst(SegLstText(utterances), "again");
        ASSERT_TRUE(again.ok()) << again.status().message();
        ASSERT_EQ(*again, utterances);
      });
}

TEST(DamagedLabels, TextGrid) {
  Damage(
      "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\nxmin = 0\nxmax = 2.5\n"
      "tiers? <exists>\nsize = 1\nitem []:\n item [1]:\n  class = \"IntervalTier\"\n"
      "  name = \"ann\"\n  xmin = 0\n  xmax = 2.5\n  intervals: size = 2\n  intervals [1]:\n"
      "   xmin = 0\n   xmax = 1.25\n   text = \"say \"\"hi\"\"\"\n  intervals [2]:\n"
      "   xmin = 1.25\n   xmax = 2.5\n   text = \"\"\n",
      ParseTextGrid, [](const std::vector<TextGridTier>& tiers) {
        for (const Segment& s : SpeakersOf(tiers, "rec").segments) {
          ASSERT_TRUE(0 <= s.start && s.start < s.end && s.end <= kMaxMicros);
        }
      });
}

}  // namespace
}  // namespace wring::speech
