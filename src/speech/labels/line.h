// What the text formats of labels share: lines of fields between spaces, and times as decimals of a
// second.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

// The most bytes of a file of labels: a day of ten speakers takes a tenth of it.
inline constexpr uint64_t kMaxLabelBytes = uint64_t{64} << 20;

// Where a line stands; its sentences begin with the file and the number of the line.
struct Line {
  std::string_view text;
  uint32_t number = 0;
  std::string_view what;  // the file
};

// Takes lines off a text; skips those that are empty or a remark (";" or "#", as the scorers of
// NIST do). A byte order mark is no text.
class Lines {
 public:
  Lines(std::string_view text, std::string_view what);
  // False at the end.
  bool Next(Line* line);

 private:
  std::string_view text_;
  std::string_view what_;
  uint32_t number_ = 0;
};

// The parts of a line between spaces and tabs; at most `limit` of them, the last then holds the
// rest.
std::vector<std::string_view> Fields(std::string_view line, size_t limit = 64);

// A decimal of a second such as 12, 12.5 or .125, exactly; digits beyond the sixth decimal are
// rounded, half up. False for anything else (a sign other than '-', an exponent, nan) and beyond
// kMaxMicros.
bool ParseMicros(std::string_view text, Micros* time);

// The shortest decimal of at least three places that ParseMicros gives back: 1.500, 1.000001.
std::string MicrosText(Micros time);

// A start and a duration (or an end) of the line, as a span that is not before 0 nor, unless it may
// be, empty.
Result<Span> ParseSpan(const Line& line, std::string_view start, std::string_view duration,
                       bool may_be_empty = false);
Result<Span> ParseSpanTo(const Line& line, std::string_view start, std::string_view end);

// A name as one field of a line: white space becomes '_', nothing becomes "<NA>". As the first
// field of a line it must not look like a remark either.
std::string FieldText(std::string_view name, bool is_first = false);

// The file's text, at most kMaxLabelBytes.
Result<std::string> ReadLabels(const std::string& path);

}  // namespace wring::speech
