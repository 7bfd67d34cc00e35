#include "speech/labels/rttm.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "formats/printable.h"
#include "speech/labels/line.h"

namespace wring::speech {

namespace {

// The standard's types beside SPEAKER.
constexpr std::array<std::string_view, 13> kOtherTypes = {
    "SEGMENT",    "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX",
    "NON-SPEECH", "FILLER",  "EDIT",           "SU",     "IP",
    "CB",         "A/P",     "SPKR-INFO"};

}  // namespace

Result<std::vector<Recording>> ParseRttm(std::string_view text, const std::string& what) {
  std::vector<Recording> recordings;
  std::unordered_map<std::string_view, size_t> known;
  Lines lines(text, what);
  for (Line line; lines.Next(&line);) {
    const auto fields = Fields(line.text);
    if (fields[0] != "SPEAKER") {
      if (std::ranges::find(kOtherTypes, fields[0]) != kOtherTypes.end()) continue;
      return Error(Code::kCorrupt,
                   "{}: line {}: {} is not a type of the RTTM format, segments begin with SPEAKER; "
                   "name an RTTM file",
                   what, line.number, Quoted(fields[0]));
    }
    if (fields.size() < 8 || fields.size() > 10) {
      return Error(Code::kCorrupt,
                   "{}: line {}: has {} fields, a SPEAKER line has 8 to 10 of them (names hold no "
                   "spaces); correct it there",
                   what, line.number, fields.size());
    }
    WRING_ASSIGN(const auto span, ParseSpan(line, fields[3], fields[4]));
    const auto [place, is_new] = known.try_emplace(fields[1], recordings.size());
    if (is_new) recordings.push_back({std::string(fields[1]), {}});
    recordings[place->second].segments.push_back({span.start, span.end, std::string(fields[7])});
  }
  for (Recording& recording : recordings) std::ranges::sort(recording.segments, std::less<>());
  return recordings;
}

Result<std::vector<Recording>> ReadRttm(const std::string& path) {
  WRING_ASSIGN(const std::string text, ReadLabels(path));
  return ParseRttm(text, path);
}

std::string RttmText(const Recording& recording) {
  const std::string name = FieldText(recording.name);
  std::string text;
  for (const Segment& segment : recording.segments) {
    text +=
        fmt::format("SPEAKER {} 1 {} {} <NA> <NA> {} <NA> <NA>\n", name, MicrosText(segment.start),
                    MicrosText(segment.end - segment.start), FieldText(segment.speaker));
  }
  return text;
}

Status CheckNoSelfOverlap(const Recording& recording) {
  std::unordered_map<std::string_view, Micros> ends;  // where each speaker's last segment ended
  for (const Segment& segment : recording.segments) {
    const auto [last, is_new] = ends.try_emplace(segment.speaker, segment.end);
    if (is_new) continue;
    if (segment.start < last->second) {
      return Error(Code::kInvalid,
                   "recording {}: speaker {} begins at {} s, before an earlier segment of the same "
                   "speaker ends at {} s; merge the two or give one of them another name",
                   Quoted(recording.name), Quoted(segment.speaker), MicrosText(segment.start),
                   MicrosText(last->second));
    }
    last->second = segment.end;
  }
  return {};
}

std::vector<Segment> MergeSelfOverlaps(std::vector<Segment> segments) {
  std::ranges::sort(segments, std::less<>());
  std::vector<Segment> merged;
  std::unordered_map<std::string, size_t> latest;  // each speaker's last segment in `merged`
  for (Segment& segment : segments) {
    const auto [last, is_new] = latest.try_emplace(segment.speaker, merged.size());
    if (!is_new && segment.start < merged[last->second].end) {
      merged[last->second].end = std::max(merged[last->second].end, segment.end);
      continue;
    }
    last->second = merged.size();
    merged.push_back(std::move(segment));
  }
  std::ranges::sort(merged, std::less<>());  // an end that grew may have changed the order
  return merged;
}

}  // namespace wring::speech
