// The recorded cases (cases/README says how they are written), cut in every way.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "events.h"
#include "support/random_schema.h"
#include "support/test_data.h"

namespace wring {
namespace {

struct Case {
  std::string name;
  OutputParserOptions options;
  std::vector<std::string> pieces;
  std::string expected;
};

std::string Plain(std::string line) {
  const std::pair<std::string, std::string> kSigns[] = {{"⏎", "\n"}, {"␠", " "}, {"⇥", "\t"}};
  for (const auto& [sign, text] : kSigns) {
    for (size_t at = 0; (at = line.find(sign, at)) != std::string::npos;)
      line.replace(at, sign.size(), text);
  }
  return line;
}

std::vector<Case> ReadCases(const std::filesystem::path& path) {
  const std::string stem = path.stem().string();
  const auto format = ParseCallFormat(stem.substr(0, stem.find('_')), "");
  EXPECT_TRUE(format.ok()) << path;
  std::vector<Case> cases;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("case: ")) {
      cases.push_back({stem + ": " + line.substr(6), {}, {}, {}});
      cases.back().options.format = *format;
    } else if (line.starts_with("tools: ")) {
      std::istringstream names(line.substr(7));
      for (std::string name; names >> name;) cases.back().options.tools.push_back(name);
    } else if (line.starts_with("think: ")) {
      cases.back().options.reasoning = true;
      cases.back().options.starts_thinking = line.substr(7) == "inside";
    } else if (line.starts_with("> ")) {
      cases.back().pieces.push_back(Plain(line.substr(2)));
    } else if (!line.empty()) {
      cases.back().expected += Plain(line) + "\n";
    }
  }
  return cases;
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::TreeDir() / "tests/server/tools/cases")) {
    if (entry.path().extension() != ".txt") continue;
    const auto some = ReadCases(entry.path());
    cases.insert(cases.end(), some.begin(), some.end());
  }
  return cases;
}

std::string Joined(const std::vector<std::string>& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += piece;
  return text;
}

TEST(ToolCallGoldens, EveryFormatHasItsCases) {
  std::map<CallFormat, int> count;
  for (const auto& one : AllCases()) ++count[one.options.format];
  for (const CallFormat format : {CallFormat::kHermes, CallFormat::kLlama3, CallFormat::kMistral,
                                  CallFormat::kGemma, CallFormat::kPhi, CallFormat::kNone})
    EXPECT_GE(count[format], 8) << CallFormatName(format);
}

TEST(ToolCallGoldens, TheEventsAreAsRecorded) {
  for (const auto& one : AllCases())
    EXPECT_EQ(testing::ParsedText(one.options, one.pieces), one.expected) << one.name;
}

TEST(ToolCallGoldens, CutsChangeNothing) {
  testing::Random random(1);
  for (const auto& one : AllCases()) {
    SCOPED_TRACE(one.name);
    const std::string text = Joined(one.pieces);
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      const std::vector<std::string> pieces = {text.substr(0, cut), text.substr(cut)};
      ASSERT_EQ(testing::ParsedText(one.options, pieces), one.expected) << "cut at " << cut;
    }
    for (int round = 0; round < 20; ++round) {
      std::vector<std::string> pieces;
      for (size_t at = 0; at < text.size();) {
        const size_t length = round == 0 ? 1 : random.Below(9);  // a piece may be empty
        pieces.push_back(text.substr(at, length));
        at += length;
      }
      ASSERT_EQ(testing::ParsedText(one.options, pieces), one.expected) << "round " << round;
    }
  }
}

// An answer may end after any byte (max_tokens): what was sent by then must be the beginning of what the whole text
// gives, but for what is given back at the end.
TEST(ToolCallGoldens, ATextThatBreaksOffGivesWhatCameBefore) {
  for (const auto& one : AllCases()) {
    SCOPED_TRACE(one.name);
    const std::string text = Joined(one.pieces);
    OutputParserOptions options = one.options;
    for (size_t length = 0; length <= text.size(); ++length) {
      options.make_id = testing::CountingIds();
      const auto parser = MakeOutputParser(options);
      OutputEvents events;
      parser->Push(text.substr(0, length), events);
      std::string before = testing::Shown(testing::Merged(events));
      if (!before.empty()) before.pop_back();  // its last line may go on
      ASSERT_TRUE(one.expected.starts_with(before)) << length << " bytes gave\n" << before;
      parser->Finish(events);
      std::map<uint32_t, int> open;
      for (const auto& e : events) {
        if (e.kind == OutputEvent::Kind::kCallBegin) ++open[e.index];
        if (e.kind == OutputEvent::Kind::kCallEnd) --open[e.index];
      }
      for (const auto& [index, count] : open) ASSERT_EQ(count, 0) << "call " << index;
    }
  }
}

}  // namespace
}  // namespace wring
