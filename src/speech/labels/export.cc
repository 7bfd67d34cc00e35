#include "speech/labels/export.h"

#include <algorithm>

#include "formats/json.h"
#include "formats/printable.h"
#include "speech/labels/line.h"

namespace wring::speech {

namespace {

using Json = nlohmann::ordered_json;  // keys in the order in which others write them

// Words between single spaces, on one line.
std::string Joined(std::string_view words) {
  std::string text;
  for (const auto& word : Fields(words, std::string_view::npos)) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Status Missing(const std::string& what, size_t index, const char* key, const char* kind) {
  return Error(Code::kCorrupt, "{}: object {} has no {} that is {}; add it there", what, index, key,
               kind);
}

Result<Micros> TimeOf(const nlohmann::json& object, const char* key, const std::string& what,
                      size_t index) {
  const auto value = object.find(key);
  constexpr const char* kKind = "a number of seconds from 0 to 1e7";
  if (value == object.end()) return Missing(what, index, key, kKind);
  Micros time = -1;
  if (value->is_number()) {
    const double seconds = value->get<double>();
    if (seconds >= 0 && seconds <= Seconds(kMaxMicros)) time = MicrosOf(seconds);
  } else if (value->is_string()) {
    if (!ParseMicros(value->get_ref<const std::string&>(), &time)) time = -1;
  }
  if (time < 0) return Missing(what, index, key, kKind);
  return time;
}

Result<Utterance> UtteranceOf(const nlohmann::json& object, const std::string& what, size_t index) {
  if (!object.is_object()) {
    return Error(Code::kCorrupt, "{}: element {} is not an object; get the file again", what,
                 index);
  }
  Utterance utterance;
  const auto text = [&](const char* key, std::string* to) -> Status {
    const auto value = object.find(key);
    if (value == object.end() || !value->is_string()) return Missing(what, index, key, "a text");
    *to = value->get<std::string>();
    return {};
  };
  WRING_TRY(text("session_id", &utterance.recording));
  WRING_TRY(text("speaker", &utterance.speaker));
  if (object.contains("words")) WRING_TRY(text("words", &utterance.words));
  utterance.words = Joined(utterance.words);
  WRING_ASSIGN(utterance.start, TimeOf(object, "start_time", what, index));
  WRING_ASSIGN(utterance.end, TimeOf(object, "end_time", what, index));
  if (utterance.end <= utterance.start) {
    return Error(Code::kCorrupt,
                 "{}: object {} ends at {} s, not after its start at {} s; correct it there", what,
                 index, MicrosText(utterance.end), MicrosText(utterance.start));
  }
  return utterance;
}

Json Supervision(const Recording& recording, size_t index) {
  const Segment& segment = recording.segments[index];
  return {{"id", fmt::format("{}-{:06}", recording.name, index)},
          {"recording_id", recording.name},
          {"start", Seconds(segment.start)},
          {"duration", Seconds(segment.end - segment.start)},
          {"channel", 0},
          {"speaker", segment.speaker}};
}

}  // namespace

std::string AudacityText(const Recording& recording) {
  std::string text;
  for (const Segment& segment : recording.segments) {
    text += fmt::format("{}\t{}\t{}\n", MicrosText(segment.start), MicrosText(segment.end),
                        Joined(segment.speaker));
  }
  return text;
}

Result<std::vector<Utterance>> ParseStm(std::string_view text, const std::string& what) {
  std::vector<Utterance> utterances;
  Lines lines(text, what);
  for (Line line; lines.Next(&line);) {
    const auto fields = Fields(line.text, 6);
    if (fields.size() < 5) {
      return Error(Code::kCorrupt,
                   "{}: line {}: has {} fields, an STM line has at least 5 of them (recording, "
                   "channel, speaker, start, end); correct it there",
                   what, line.number, fields.size());
    }
    WRING_ASSIGN(const Span span, ParseSpanTo(line, fields[3], fields[4]));
    std::string_view words = fields.size() > 5 ? fields[5] : std::string_view();
    if (words.starts_with('<')) {
      const size_t end = std::min(words.find('>'), words.size() - 1);
      words.remove_prefix(end + 1);
    }
    utterances.push_back(
        {std::string(fields[0]), std::string(fields[2]), span.start, span.end, Joined(words)});
  }
  return utterances;
}

std::string StmText(const std::vector<Utterance>& utterances) {
  std::string text;
  for (const Utterance& u : utterances) {
    const std::string words = Joined(u.words);
    // "<O>" is the label of everything; without it, words that begin with '<' would be read as one.
    const char* label = words.starts_with('<') ? " <O>" : "";
    text +=
        fmt::format("{} 1 {} {} {}{}{}{}\n", FieldText(u.recording, true), FieldText(u.speaker),
                    MicrosText(u.start), MicrosText(u.end), label, words.empty() ? "" : " ", words);
  }
  return text;
}

Result<std::vector<Utterance>> ParseSegLst(std::string_view text, const std::string& what) {
  if (text.size() > kMaxLabelBytes || NestsTooDeep(text)) {
    return Error(Code::kUnsupported,
                 "{}: has more than {} bytes or nests deeper than {} levels; name a SegLST file",
                 what, kMaxLabelBytes, kMaxJsonDepth);
  }
  const auto array = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) {
    return Error(Code::kCorrupt, "{}: is not a JSON array of segments; name a SegLST file", what);
  }
  std::vector<Utterance> utterances;
  utterances.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    WRING_ASSIGN(Utterance utterance, UtteranceOf(array[i], what, i + 1));
    utterances.push_back(std::move(utterance));
  }
  return utterances;
}

std::string SegLstText(const std::vector<Utterance>& utterances) {
  std::string text = "[";
  for (size_t i = 0; i < utterances.size(); ++i) {
    const Utterance& u = utterances[i];
    text += i == 0 ? "\n  " : ",\n  ";
    text += Dump({{"session_id", u.recording},
                  {"speaker", u.speaker},
                  {"start_time", Seconds(u.start)},
                  {"end_time", Seconds(u.end)},
                  {"words", Joined(u.words)}});
  }
  return text + "\n]\n";
}

std::string LhotseSupervisions(const Recording& recording) {
  std::string text;
  for (size_t i = 0; i < recording.segments.size(); ++i) {
    text += Dump(Supervision(recording, i)) + '\n';
  }
  return text;
}

std::string LhotseCut(const Recording& recording, const LhotseAudio& audio) {
  const double duration =
      audio.rate == 0 ? 0 : static_cast<double>(audio.frames) / static_cast<double>(audio.rate);
  Json supervisions = Json::array();
  for (size_t i = 0; i < recording.segments.size(); ++i) {
    supervisions.push_back(Supervision(recording, i));
  }
  const Json source = {{"type", "file"}, {"channels", Json::array({0})}, {"source", audio.path}};
  const Json sound = {{"id", recording.name},        {"sources", Json::array({source})},
                      {"sampling_rate", audio.rate}, {"num_samples", audio.frames},
                      {"duration", duration},        {"channel_ids", Json::array({0})}};
  return Dump({{"id", recording.name},
               {"start", 0},
               {"duration", duration},
               {"channel", 0},
               {"supervisions", supervisions},
               {"recording", sound},
               {"type", "MonoCut"}}) +
         '\n';
}

}  // namespace wring::speech
