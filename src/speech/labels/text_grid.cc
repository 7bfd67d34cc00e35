#include "speech/labels/text_grid.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "formats/printable.h"
#include "speech/labels/line.h"

namespace wring::speech {

namespace {

enum class Kind { kEnd, kNumber, kText, kFlag };

struct Value {
  Kind kind = Kind::kEnd;
  std::string text;
  uint32_t line = 0;
};

class Values {
 public:
  Values(std::string_view text, std::string_view what) : text_(text), what_(what) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  Result<Value> Next();

  Result<std::string> Text(const char* role) { return Expect(Kind::kText, role); }
  Result<std::string> Flag(const char* role) { return Expect(Kind::kFlag, role); }
  Result<Micros> Time(const char* role) {
    WRING_ASSIGN(const std::string text, Expect(Kind::kNumber, role));
    Micros time = 0;
    if (!ParseMicros(text, &time) || time < 0) {
      return Error(Code::kCorrupt,
                   "{}: line {}: the {} {} is not a decimal number of seconds from 0 to 1e7; "
                   "correct it there",
                   what_, line_, role, Quoted(text));
    }
    return time;
  }
  Result<uint64_t> Count(const char* role) {
    WRING_ASSIGN(const std::string text, Expect(Kind::kNumber, role));
    // No more values than bytes are left: a count beyond them is damage, told before anything is
    // allocated.
    uint64_t count = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || count > text_.size()) {
        return Error(Code::kCorrupt,
                     "{}: line {}: the {} {} is not one that the file can hold; "
                     "correct it there",
                     what_, line_, role, Quoted(text));
      }
      count = count * 10 + static_cast<uint64_t>(c - '0');
    }
    return count;
  }

  Status Backwards(Micros start, Micros end) const {
    return Error(Code::kCorrupt,
                 "{}: line {}: an interval ends at {} s, before its start at {} s; correct it "
                 "there",
                 what_, line_, MicrosText(end), MicrosText(start));
  }
  Status UnknownTier(std::string_view kind) const {
    return Error(Code::kCorrupt,
                 "{}: line {}: {} is no class of tier, IntervalTier and TextTier are; name a whole "
                 "TextGrid file",
                 what_, line_, Quoted(kind));
  }

 private:
  Result<std::string> Expect(Kind kind, const char* role) {
    WRING_ASSIGN(Value value, Next());
    if (value.kind != kind) {
      return Error(Code::kCorrupt, "{}: line {}: the {} is missing; name a whole TextGrid file",
                   what_, line_, role);
    }
    return std::move(value.text);
  }

  std::string_view text_;
  std::string_view what_;
  uint32_t line_ = 1;
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

Result<Value> Values::Next() {
  size_t at = 0;
  const auto take = [&](size_t end) {  // the text up to `end`, which is then behind us
    const std::string_view taken = text_.substr(at, end - at);
    line_ += static_cast<uint32_t>(std::ranges::count(taken, '\n'));
    text_.remove_prefix(end);
    at = 0;
    return taken;
  };
  for (;;) {
    while (at < text_.size() && IsSpace(text_[at])) line_ += text_[at++] == '\n';
    if (at == text_.size()) return Value{};
    const char first = text_[at];
    if (first == '!') {  // a remark, to the end of the line
      take(std::min(text_.find('\n', at), text_.size()));
      continue;
    }
    if (first == '"') {
      std::string value;
      for (size_t i = at + 1; i < text_.size(); ++i) {
        if (text_[i] == '"' && (i + 1 == text_.size() || text_[i + 1] != '"')) {
          take(i + 1);
          return Value{Kind::kText, std::move(value), line_};
        }
        value += text_[i];
        if (text_[i] == '"') ++i;
      }
      return Error(Code::kCorrupt, "{}: line {}: a text in quotes has no end; close it there",
                   what_, line_);
    }
    size_t end = at;
    while (end < text_.size() && !IsSpace(text_[end])) ++end;
    const std::string word(take(end));
    if (first == '<' && word.back() == '>') return Value{Kind::kFlag, word, line_};
    if (first == '-' || (first >= '0' && first <= '9')) return Value{Kind::kNumber, word, line_};
  }
}

// The next tier, and whether it is one of intervals.
Result<std::pair<TextGridTier, bool>> ParseTier(Values* values) {
  TextGridTier tier;
  WRING_ASSIGN(const std::string kind, values->Text("class of a tier"));
  WRING_ASSIGN(tier.name, values->Text("name of a tier"));
  WRING_TRY(values->Time("start of a tier"));
  WRING_TRY(values->Time("end of a tier"));
  WRING_ASSIGN(const uint64_t count, values->Count("number of intervals"));
  const bool is_points = kind == "TextTier";
  if (!is_points && kind != "IntervalTier") return values->UnknownTier(kind);
  for (uint64_t i = 0; i < count; ++i) {
    TextGridInterval interval;
    WRING_ASSIGN(interval.start, values->Time("start of an interval"));
    interval.end = interval.start;
    if (!is_points) {
      WRING_ASSIGN(interval.end, values->Time("end of an interval"));
    }
    WRING_ASSIGN(interval.text, values->Text("text of an interval"));
    if (interval.end < interval.start) return values->Backwards(interval.start, interval.end);
    if (!is_points) tier.intervals.push_back(std::move(interval));
  }
  return std::pair(std::move(tier), !is_points);
}

}  // namespace

Result<std::vector<TextGridTier>> ParseTextGrid(std::string_view text, const std::string& what) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return Error(Code::kUnsupported, "{}: is UTF-16 text; save it as UTF-8", what);
  }
  Values values(text, what);
  WRING_ASSIGN(const std::string file_type, values.Text("file type"));
  WRING_ASSIGN(const std::string object, values.Text("class of the object"));
  if (file_type != "ooTextFile" || object != "TextGrid") {
    return Error(Code::kCorrupt, "{}: holds {} and no TextGrid; name a TextGrid file", what,
                 Quoted(object));
  }
  WRING_TRY(values.Time("start of the recording"));
  WRING_TRY(values.Time("end of the recording"));
  WRING_ASSIGN(const std::string flag, values.Flag("flag <exists>"));
  std::vector<TextGridTier> tiers;
  if (flag != "<exists>") return tiers;
  WRING_ASSIGN(const uint64_t count, values.Count("number of tiers"));
  for (uint64_t i = 0; i < count; ++i) {
    WRING_ASSIGN(auto tier, ParseTier(&values));
    if (tier.second) tiers.push_back(std::move(tier.first));
  }
  return tiers;
}

Result<std::vector<TextGridTier>> ReadTextGrid(const std::string& path) {
  WRING_ASSIGN(const std::string text, ReadLabels(path));
  return ParseTextGrid(text, path);
}

Recording SpeakersOf(const std::vector<TextGridTier>& tiers, const std::string& recording) {
  Recording result{recording, {}};
  for (const TextGridTier& tier : tiers) {
    for (const TextGridInterval& interval : tier.intervals) {
      if (Fields(interval.text).empty() || interval.end == interval.start) continue;
      result.segments.push_back({interval.start, interval.end, tier.name});
    }
  }
  std::ranges::sort(result.segments, std::less<>());
  return result;
}

}  // namespace wring::speech
