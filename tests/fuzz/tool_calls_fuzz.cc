// The first byte says which format and what else is known, the second how the text is cut; the rest is what a model
// wrote. Cuts may change nothing and no byte may be lost.
#include "../server/tools/events.h"
#include "check_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return -1;
  wring::OutputParserOptions options;
  options.format = static_cast<wring::CallFormat>(data[0] % 6);
  if ((data[0] & 0x80) != 0) options.tools = {"f", "get_x"};
  options.reasoning = (data[0] & 0x40) != 0;
  options.starts_thinking = (data[0] & 0x20) != 0;
  const std::string text(wring::testing::Text(data + 2, size - 2));
  std::vector<std::string> pieces;
  for (size_t at = 0, n = data[1]; at < text.size(); ++n) {
    const size_t length = 1 + n * n % 7;
    pieces.push_back(text.substr(at, length));
    at += length;
  }
  const auto events = wring::testing::Parse(options, pieces);
  const auto whole = wring::testing::Parse(options, std::vector<std::string>{text});
  wring::testing::Require(wring::testing::Shown(events) == wring::testing::Shown(whole));
  wring::testing::Require(wring::testing::Fault(options, text, events).empty());
  return 0;
}
