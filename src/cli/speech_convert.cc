// wring speech convert: labels from one format to another.
#include <filesystem>
#include <map>

#include "base/atomic_file.h"
#include "cli/options.h"
#include "cli/output.h"
#include "formats/json.h"
#include "formats/printable.h"
#include "speech/labels/export.h"
#include "speech/labels/rttm.h"
#include "speech/labels/text_grid.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

constexpr uint64_t kMostBytes = uint64_t{1} << 30;

Result<std::vector<Utterance>> Read(const std::string& path) {
  const std::string end = std::filesystem::path(path).extension().string();
  std::vector<Recording> recordings;
  if (end == ".rttm") {
    WRING_ASSIGN(recordings, ReadRttm(path));
  } else if (end == ".TextGrid") {
    WRING_ASSIGN(const auto tiers, ReadTextGrid(path));
    recordings.push_back(SpeakersOf(tiers, std::filesystem::path(path).stem().string()));
  } else if (end == ".stm" || end == ".json") {
    WRING_ASSIGN(const std::string text, ReadText(path, kMostBytes));
    return end == ".stm" ? ParseStm(text, path) : ParseSegLst(text, path);
  } else {
    return Error(Code::kInvalid, "{} cannot be read: give .rttm, .stm, .json (SegLST) or .TextGrid",
                 Quoted(path));
  }
  std::vector<Utterance> utterances;
  for (const Recording& r : recordings) {
    for (const Segment& s : r.segments)
      utterances.push_back({r.name, s.speaker, s.start, s.end, {}});
  }
  return utterances;
}

std::vector<Recording> RecordingsOf(const std::vector<Utterance>& utterances) {
  std::map<std::string, Recording> by_name;
  for (const Utterance& u : utterances) {
    Recording& r = by_name[u.recording];
    r.name = u.recording;
    r.segments.push_back({u.start, u.end, u.speaker});
  }
  std::vector<Recording> recordings;
  for (auto& [name, r] : by_name) {
    std::sort(r.segments.begin(), r.segments.end());
    recordings.push_back(std::move(r));
  }
  return recordings;
}

Result<std::string> TextOf(const std::vector<Utterance>& utterances, const std::string& path) {
  const std::string end = std::filesystem::path(path).extension().string();
  if (end == ".stm") return StmText(utterances);
  if (end == ".json") return SegLstText(utterances);
  const std::vector<Recording> recordings = RecordingsOf(utterances);
  if (end == ".txt" && recordings.size() > 1) {
    return Error(
        Code::kInvalid,
        "Audacity's labels are of one recording, and there are {}: write .rttm, .stm or .json",
        recordings.size());
  }
  std::string text;
  for (const Recording& r : recordings) {
    if (end == ".rttm") {
      text += RttmText(r);
    } else if (end == ".txt") {
      text += AudacityText(r);
    } else if (end == ".jsonl") {
      text += LhotseSupervisions(r);
    } else {
      return Error(
          Code::kInvalid,
          "{} cannot be written: give .rttm, .stm, .json (SegLST), .txt (Audacity) or .jsonl "
          "(lhotse supervisions)",
          Quoted(path));
    }
  }
  return text;
}

}  // namespace

Status SpeechConvert(const Arguments& a) {
  WRING_ASSIGN(const auto utterances, Read(a.Text("IN")));
  WRING_ASSIGN(const std::string text, TextOf(utterances, a.Text("OUT")));
  return WriteFileAtomically(a.Text("OUT"), text);
}

}  // namespace wring::cli
