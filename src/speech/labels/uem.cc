#include "speech/labels/uem.h"

#include "speech/labels/line.h"
#include "speech/labels/spans.h"

namespace wring::speech {

Result<Uem> ParseUem(std::string_view text, const std::string& what) {
  Uem uem;
  Lines lines(text, what);
  for (Line line; lines.Next(&line);) {
    const auto fields = Fields(line.text);
    if (fields.size() != 4) {
      return Error(Code::kCorrupt,
                   "{}: line {}: has {} fields, a UEM line is a recording, a channel, a start and "
                   "an end; correct it there",
                   what, line.number, fields.size());
    }
    WRING_ASSIGN(const Span span, ParseSpanTo(line, fields[2], fields[3]));
    uem[std::string(fields[0])].push_back(span);
  }
  for (auto& [name, spans] : uem) spans = Union(std::move(spans));
  return uem;
}

Result<Uem> ReadUem(const std::string& path) {
  WRING_ASSIGN(const std::string text, ReadLabels(path));
  return ParseUem(text, path);
}

std::string UemText(const Uem& uem) {
  std::string text;
  for (const auto& [name, spans] : uem) {
    for (const Span& span : spans) {
      text += fmt::format("{} 1 {} {}\n", FieldText(name, true), MicrosText(span.start),
                          MicrosText(span.end));
    }
  }
  return text;
}

}  // namespace wring::speech
