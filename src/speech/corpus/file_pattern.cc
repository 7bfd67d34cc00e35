#include "speech/corpus/file_pattern.h"

#include "formats/printable.h"

namespace wring::speech {

Result<FilePattern> FilePattern::Parse(const std::string& pattern) {
  const auto bad = [&](const char* why) {
    return Error(Code::kInvalid,
                 "the pattern {} {}: write one such as {{word}}_{{speaker}}_{{take}}",
                 Quoted(pattern), why);
  };
  FilePattern p;
  size_t open = pattern.find('{');
  if (open == std::string::npos) return bad("has no {speaker}");
  p.before_ = pattern.substr(0, open);
  bool speaker = false;
  while (open < pattern.size()) {
    const size_t close = pattern.find('}', open);
    if (close == std::string::npos) return bad("has a brace that is not closed");
    const size_t next = std::min(pattern.find('{', close), pattern.size());
    Field f{pattern.substr(open + 1, close - open - 1),
            pattern.substr(close + 1, next - close - 1)};
    if (f.after.empty() && next < pattern.size()) return bad("has two fields with nothing between");
    speaker |= f.name == "speaker";
    p.fields_.push_back(std::move(f));
    open = next;
  }
  if (!speaker) return bad("has no {speaker}");
  return p;
}

std::optional<std::map<std::string, std::string>> FilePattern::Match(
    const std::string& name) const {
  if (!name.starts_with(before_)) return std::nullopt;
  std::map<std::string, std::string> values;
  size_t at = before_.size();
  for (const Field& f : fields_) {
    const size_t end = f.after.empty() ? name.size() : name.find(f.after, at);
    if (end == std::string::npos || end == at) return std::nullopt;
    values[f.name] = name.substr(at, end - at);
    at = end + f.after.size();
  }
  if (at != name.size()) return std::nullopt;
  return values;
}

}  // namespace wring::speech
