// Files of labels; the first byte says which format. What is read is written, and read as the same
// again.
#include "check_tensors.h"
#include "speech/labels/ctm.h"
#include "speech/labels/export.h"
#include "speech/labels/rttm.h"
#include "speech/labels/text_grid.h"
#include "speech/labels/uem.h"

namespace {

using wring::testing::Require;

// A remark before the text keeps a name from being read as the mark that begins a file.
template <typename Parse, typename Print>
void Check(std::string_view text, Parse parse, Print print) {
  const auto read = parse(text, "input");
  if (!read.ok()) {
    wring::testing::CheckMessage(read.status(), "input");
    return;
  }
  const auto again = parse(print(*read), "again");
  Require(again.ok() && *again == *read);
}

void CheckRttm(std::string_view text) {
  const auto read = wring::speech::ParseRttm(text, "input");
  if (!read.ok()) {
    wring::testing::CheckMessage(read.status(), "input");
    return;
  }
  for (const auto& recording : *read) {
    const auto again = wring::speech::ParseRttm(wring::speech::RttmText(recording), "again");
    Require(again.ok() && again->size() == 1 && (*again)[0] == recording);
    const wring::speech::Recording merged = {recording.name,
                                             wring::speech::MergeSelfOverlaps(recording.segments)};
    Require(wring::speech::CheckNoSelfOverlap(merged).ok());
  }
}

void CheckTextGrid(std::string_view text) {
  const auto read = wring::speech::ParseTextGrid(text, "input");
  if (!read.ok()) {
    wring::testing::CheckMessage(read.status(), "input");
    return;
  }
  for (const auto& segment : wring::speech::SpeakersOf(*read, "r").segments) {
    Require(segment.start >= 0 && segment.start < segment.end);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return -1;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  using namespace wring::speech;
  switch (data[0] % 6) {  // '0' is 48, 0 modulo 6
    case 0: CheckRttm(text); break;
    case 1: Check(text, ParseUem, [](const auto& v) { return ";\n" + UemText(v); }); break;
    case 2: Check(text, ParseCtm, [](const auto& v) { return ";\n" + CtmText(v); }); break;
    case 3: Check(text, ParseStm, [](const auto& v) { return ";\n" + StmText(v); }); break;
    case 4: Check(text, ParseSegLst, SegLstText); break;
    default: CheckTextGrid(text); break;
  }
  return 0;
}
