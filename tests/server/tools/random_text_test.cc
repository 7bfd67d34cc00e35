// Random texts of markers and pieces of JSON: nothing is lost, nothing comes twice, cuts change nothing.
#include "random_text.h"

#include <gtest/gtest.h>

#include "events.h"
#include "server/tools/json_scanner.h"

namespace wring {
namespace {

TEST(ToolCallRandomTest, NothingIsLostAndCutsChangeNothing) {
  testing::Random random(7);
  uint64_t with_calls = 0;
  uint64_t without = 0;
  for (int round = 0; round < 10'000; ++round) {
    const auto options = testing::RandomOptions(random);
    std::string text;
    for (uint32_t n = 1 + random.Below(24); n > 0; --n) text += testing::RandomPart(random);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random.Below(12);
      pieces.push_back(text.substr(at, length));
      at += length;
    }
    const auto events = testing::Parse(options, pieces);
    ASSERT_EQ(testing::Shown(events), testing::ParsedText(options, std::vector<std::string>{text}))
        << text;
    const std::string why = testing::Fault(options, text, events);
    ASSERT_EQ(why, "") << CallFormatName(options.format) << ": " << text << "\n"
                       << testing::Shown(events);
    ++(events.size() > 1 ? with_calls : without);
  }
  // The test is worth nothing when one kind is missing.
  EXPECT_GT(with_calls, 1000U);
  EXPECT_GT(without, 1000U);
}

TEST(JsonScannerTest, AgreesWithTheLibrary) {
  testing::Random random(11);
  const char* parts[] = {"{",      "}", "[",  "]",       ",",  ":",  "\"a\"",   "\"",   "\\",
                         "\\u00e", "1", "-",  "0",       ".5", "e3", "E-1",     "true", "null",
                         "fals",   " ", "\n", "\"\\n\"", "{}", "[]", "\"k\":1", "é"};
  uint64_t good = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text = "{";
    for (uint32_t n = random.Below(9); n > 0; --n) text += parts[random.Below(std::size(parts))];
    if (random.Chance(0.7)) text += '}';
    const auto value = testing::Json::parse(text, nullptr, false);
    ASSERT_EQ(IsJsonObject(text), value.is_object()) << text;
    good += value.is_object() ? 1 : 0;
  }
  EXPECT_GT(good, 1000U);
}

}  // namespace
}  // namespace wring
