#include "speech/labels/ctm.h"

#include <cmath>

#include "formats/csv.h"
#include "formats/printable.h"
#include "speech/labels/line.h"

namespace wring::speech {

namespace {

bool IsAbsent(std::string_view field) { return field == "NA" || field == "<NA>"; }

Result<Word> ParseWord(const Line& line) {
  const auto fields = Fields(line.text);
  if (fields.size() < 5 || fields.size() > 8) {
    return Error(Code::kCorrupt,
                 "{}: line {}: has {} fields, a CTM line has 5 to 8 of them (source, channel, "
                 "start, duration, token, confidence, type, speaker); correct it there",
                 line.what, line.number, fields.size());
  }
  Word word;
  word.source = fields[0];
  word.channel = fields[1];
  WRING_ASSIGN(const Span span, ParseSpan(line, fields[2], fields[3], /*may_be_empty=*/true));
  word.start = span.start;
  word.end = span.end;
  word.token = fields[4];
  if (fields.size() > 5 && !IsAbsent(fields[5])) {
    double confidence = 0;
    if (!ParseNumber(fields[5], &confidence) || !std::isfinite(confidence)) {
      return Error(Code::kCorrupt,
                   "{}: line {}: the confidence {} is neither a number nor NA; correct it there",
                   line.what, line.number, Quoted(fields[5]));
    }
    word.confidence = confidence;
  }
  if (fields.size() > 6 && !IsAbsent(fields[6])) word.type = fields[6];
  if (fields.size() > 7 && !IsAbsent(fields[7])) word.speaker = fields[7];
  return word;
}

}  // namespace

Result<std::vector<Word>> ParseCtm(std::string_view text, const std::string& what) {
  std::vector<Word> words;
  Lines lines(text, what);
  for (Line line; lines.Next(&line);) {
    WRING_ASSIGN(Word word, ParseWord(line));
    words.push_back(std::move(word));
  }
  return words;
}

Result<std::vector<Word>> ReadCtm(const std::string& path) {
  WRING_ASSIGN(const std::string text, ReadLabels(path));
  return ParseCtm(text, path);
}

std::string CtmText(const std::vector<Word>& words) {
  std::string text;
  for (const Word& word : words) {
    text += fmt::format(
        "{} {} {} {} {} {} {} {}\n", FieldText(word.source, true), FieldText(word.channel),
        MicrosText(word.start), MicrosText(word.end - word.start), FieldText(word.token),
        word.confidence ? fmt::format("{}", *word.confidence) : "NA", FieldText(word.type),
        word.speaker.empty() ? "NA" : FieldText(word.speaker));
  }
  return text;
}

}  // namespace wring::speech
