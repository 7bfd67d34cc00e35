#include "speech/labels/line.h"

#include <algorithm>

#include "formats/json.h"
#include "formats/printable.h"

namespace wring::speech {

namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsRemark(char first) { return first == ';' || first == '#'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

Result<Micros> ParseTime(const Line& line, const char* role, std::string_view text) {
  Micros time = 0;
  if (!ParseMicros(text, &time)) {
    return Error(Code::kCorrupt,
                 "{}: line {}: the {} {} is not a decimal number of seconds up to 1e7; correct it "
                 "there",
                 line.what, line.number, role, Quoted(text));
  }
  return time;
}

Result<Micros> ParseStart(const Line& line, std::string_view text) {
  WRING_ASSIGN(const Micros start, ParseTime(line, "start", text));
  if (start < 0) {
    return Error(Code::kCorrupt,
                 "{}: line {}: the start {} s is before the recording begins; correct it there",
                 line.what, line.number, MicrosText(start));
  }
  return start;
}

}  // namespace

Lines::Lines(std::string_view text, std::string_view what) : text_(text), what_(what) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
}

bool Lines::Next(Line* line) {
  while (!text_.empty()) {
    const size_t end = text_.find('\n');
    std::string_view text = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++number_;
    if (text.ends_with('\r')) text.remove_suffix(1);
    const auto first = std::ranges::find_if_not(text, IsSpace);
    if (first == text.end() || IsRemark(*first)) continue;
    *line = {text, number_, what_};
    return true;
  }
  return false;
}

std::vector<std::string_view> Fields(std::string_view line, size_t limit) {
  std::vector<std::string_view> fields;
  size_t at = 0;
  for (;;) {
    while (at < line.size() && IsSpace(line[at])) ++at;
    if (at == line.size()) return fields;
    size_t end = at;
    if (fields.size() + 1 == limit) {
      end = line.size();
      while (IsSpace(line[end - 1])) --end;
      fields.push_back(line.substr(at, end - at));
      return fields;
    }
    while (end < line.size() && !IsSpace(line[end])) ++end;
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
}

bool ParseMicros(std::string_view text, Micros* time) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view part =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() && part.empty()) return false;
  if (!std::ranges::all_of(whole, IsDigit) || !std::ranges::all_of(part, IsDigit)) return false;
  Micros value = 0;
  for (const char c : whole) {
    value = value * 10 + (c - '0');
    if (value > kMaxMicros / kMicrosPerSecond) return false;
  }
  for (size_t place = 0; place < 6; ++place) {
    value = value * 10 + (place < part.size() ? part[place] - '0' : 0);
  }
  if (part.size() > 6 && part[6] >= '5') ++value;
  if (value > kMaxMicros) return false;
  *time = negative ? -value : value;
  return true;
}

std::string MicrosText(Micros time) {
  const uint64_t value = time < 0 ? uint64_t{0} - static_cast<uint64_t>(time)  // of the least too
                                  : static_cast<uint64_t>(time);
  std::string text = fmt::format("{}{}.{:06}", time < 0 ? "-" : "", value / kMicrosPerSecond,
                                 value % kMicrosPerSecond);
  for (int place = 6; place > 3 && text.back() == '0'; --place) text.pop_back();
  return text;
}

Result<Span> ParseSpan(const Line& line, std::string_view start, std::string_view duration,
                       bool may_be_empty) {
  WRING_ASSIGN(const Micros from, ParseStart(line, start));
  WRING_ASSIGN(const Micros length, ParseTime(line, "duration", duration));
  if (length < 0 || (length == 0 && !may_be_empty)) {
    return Error(Code::kCorrupt,
                 "{}: line {}: the duration {} s is {} 0; correct the line or remove it", line.what,
                 line.number, MicrosText(length), may_be_empty ? "below" : "not above");
  }
  if (from + length > kMaxMicros) {
    return Error(Code::kCorrupt, "{}: line {}: ends after 1e7 s; correct its times", line.what,
                 line.number);
  }
  return Span{from, from + length};
}

Result<Span> ParseSpanTo(const Line& line, std::string_view start, std::string_view end) {
  WRING_ASSIGN(const Micros from, ParseStart(line, start));
  WRING_ASSIGN(const Micros to, ParseTime(line, "end", end));
  if (to <= from) {
    return Error(Code::kCorrupt,
                 "{}: line {}: the end {} s is not after the start {} s; correct the line or "
                 "remove it",
                 line.what, line.number, MicrosText(to), MicrosText(from));
  }
  return Span{from, to};
}

std::string FieldText(std::string_view name, bool is_first) {
  if (name.empty()) return "<NA>";
  std::string text(name);
  for (char& c : text) {
    if (IsSpace(c)) c = '_';
  }
  if (is_first && IsRemark(text[0])) text[0] = '_';
  return text;
}

Result<std::string> ReadLabels(const std::string& path) { return ReadText(path, kMaxLabelBytes); }

}  // namespace wring::speech
