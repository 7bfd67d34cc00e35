// wring speech score: diarization and detection errors.
#include "base/atomic_file.h"
#include "cli/options.h"
#include "cli/output.h"
#include "formats/json.h"
#include "speech/labels/rttm.h"
#include "speech/labels/uem.h"
#include "speech/score/detection.h"
#include "speech/score/diarization.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

std::string Line(const std::string& name, const DiarizationScore& s) {
  const auto part = [&](Micros m) { return s.total > 0 ? 100 * Seconds(m) / Seconds(s.total) : 0; };
  return fmt::format("{:24} {:>9.4f} {:>9.4f} {:>9.4f} {:>9.4f} {:>9.4f} {:>10.2f}\n", name,
                     100 * s.rate(), part(s.miss), part(s.false_alarm), part(s.confusion),
                     100 * s.jaccard(), Seconds(s.total));
}

nlohmann::json JsonOf(const DiarizationScore& s) {
  return {{"der", s.rate()},
          {"jer", s.jaccard()},
          {"miss", Seconds(s.miss)},
          {"false_alarm", Seconds(s.false_alarm)},
          {"confusion", Seconds(s.confusion)},
          {"total", Seconds(s.total)}};
}

}  // namespace

Status SpeechScore(const Arguments& a) {
  const std::string json = a.Text("--json");
  WRING_TRY(CheckWritable(json));
  WRING_ASSIGN(const auto references, ReadRttm(a.Text("REFERENCE")));
  WRING_ASSIGN(const auto hypotheses, ReadRttm(a.Text("HYPOTHESIS")));
  ScoreOptions options;
  options.collar = MicrosOf(a.Number("--collar"));
  options.skip_overlap = a.Has("--skip-overlap");
  std::optional<Uem> uem;
  if (a.Has("--uem")) {
    WRING_ASSIGN(uem, ReadUem(a.Text("--uem")));
  }
  WRING_ASSIGN(const CorpusScore score,
               ScoreDiarizations(references, hypotheses, options, uem ? &*uem : nullptr));
  DetectionScore detection;
  for (const Recording& reference : references) {
    Recording hypothesis{reference.name, {}};
    for (const Recording& h : hypotheses) {
      if (h.name == reference.name) hypothesis = h;
    }
    ScoreOptions one = options;
    one.skip_overlap = false;
    if (uem) one.uem = uem->at(reference.name);
    WRING_ASSIGN(const DetectionScore d, ScoreDetection(reference, hypothesis, one));
    detection += d;
  }
  nlohmann::json j = {{"all", JsonOf(score.sum)}, {"recordings", nlohmann::json::object()}};
  std::string text = fmt::format("{:24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}\n", "%", "DER", "miss",
                                 "false", "confused", "JER", "total s");
  for (const NamedScore& r : score.recordings) {
    text += Line(r.recording, r.score);
    j["recordings"][r.recording] = JsonOf(r.score);
  }
  text += Line("all", score.sum);
  const double speech = Seconds(detection.speech);
  text +=
      fmt::format("\ndetection error {:.4f} %, miss {:.4f} %, false alarm {:.4f} % of {:.2f} s\n",
                  100 * detection.rate(), speech > 0 ? 100 * Seconds(detection.miss) / speech : 0,
                  speech > 0 ? 100 * Seconds(detection.false_alarm) / speech : 0, speech);
  j["detection"] = {{"error", detection.rate()},
                    {"miss", Seconds(detection.miss)},
                    {"false_alarm", Seconds(detection.false_alarm)},
                    {"speech", speech}};
  if (!json.empty() && json != "-") WRING_TRY(WriteFileAtomically(json, DumpJson(j, 1) + "\n"));
  return Print(json == "-" ? DumpJson(j, 1) + "\n" : text);
}

}  // namespace wring::cli
