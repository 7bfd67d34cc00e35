// wring speech vad: when anybody speaks.
#include <filesystem>

#include "base/atomic_file.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "formats/json.h"
#include "speech/audio/resample.h"
#include "speech/detect/detector.h"
#include "speech/labels/rttm.h"
#include "speech/labels/spans.h"
#include "speech/labels/uem.h"
#include "speech/report/wave.h"
#include "speech/score/detection.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

Smoothing SmoothingOf(const Arguments& a, Smoothing s) {
  if (a.Has("--threshold")) s.threshold = static_cast<float>(a.Number("--threshold"));
  if (a.Has("--average")) s.average = MicrosOf(a.Number("--average"));
  if (a.Has("--bridge")) s.bridge = MicrosOf(a.Number("--bridge"));
  return s;
}

// Scores of the files against their reference.
class Scores {
 public:
  static Result<Scores> Read(const Arguments& a) {
    Scores s;
    WRING_ASSIGN(s.references_, ReadRttm(a.Text("--reference")));
    if (a.Has("--uem")) {
      WRING_ASSIGN(s.uem_, ReadUem(a.Text("--uem")));
    }
    return s;
  }

  Status Add(const Recording& found, const Activity& activity, Micros length) {
    ScoreOptions options;
    const auto region = uem_.find(found.name);
    options.uem = region == uem_.end() ? std::vector<Span>{{0, length}} : region->second;
    const Recording* reference = Find(found.name);
    if (reference == nullptr) {
      return Error(Code::kNotFound,
                   "the reference has no recording {}: name the file as it does, or "
                   "another reference",
                   found.name);
    }
    WRING_ASSIGN(const DetectionScore one, ScoreDetection(*reference, found, options));
    sum_ += one;
    return frames_.Add(activity.probabilities, activity.hop, *reference, options);
  }

  // nullptr: the reference does not know it.
  const Recording* Find(const std::string& name) const {
    for (const Recording& r : references_) {
      if (r.name == name) return &r;
    }
    return nullptr;
  }

  nlohmann::json Json() const {
    const Roc roc = frames_.Finish();
    const RocPoint best = roc.Best();
    const double speech = Seconds(sum_.speech);
    return {{"detection_error", sum_.rate()},
            {"miss", speech > 0 ? Seconds(sum_.miss) / speech : 0},
            {"false_alarm", speech > 0 ? Seconds(sum_.false_alarm) / speech : 0},
            {"speech_seconds", speech},
            {"auroc", roc.area().value_or(0)},
            {"best_threshold", best.threshold},
            {"best_frame_error", roc.Error(best)}};
  }

 private:
  std::vector<Recording> references_;
  Uem uem_;
  DetectionScore sum_;
  FrameScores frames_;
};

std::string Text(const nlohmann::json& j) {
  return fmt::format(
      "detection error {:.4f} (miss {:.4f}, false alarm {:.4f}) of {:.2f} s of speech; AUROC "
      "{:.4f}; "
      "frames at their best threshold {:.3f}: {:.4f}\n",
      j["detection_error"].get<double>(), j["miss"].get<double>(), j["false_alarm"].get<double>(),
      j["speech_seconds"].get<double>(), j["auroc"].get<double>(),
      j["best_threshold"].get<double>(), j["best_frame_error"].get<double>());
}

}  // namespace

Status SpeechVad(const Arguments& a) {
  const std::string rttm = a.Text("--rttm"), picture = a.Text("--picture"), json = a.Text("--json");
  for (const std::string& path : {rttm, picture, json}) WRING_TRY(CheckWritable(path));
  const std::vector<std::string> files = a.Texts("FILE");
  if (!picture.empty() && files.size() > 1)
    return Error(Code::kInvalid, "--picture shows one file, not {}: give one", files.size());
  if (!json.empty() && !a.Has("--reference"))
    return Error(Code::kInvalid, "--json holds scores: give --reference too");
  WRING_ASSIGN(const auto detector, FindDetector(a.Text("--detector")));
  const Smoothing smoothing = SmoothingOf(a, detector->smoothing());
  std::optional<Scores> scores;
  if (a.Has("--reference")) {
    WRING_ASSIGN(scores, Scores::Read(a));
  }
  ThreadPool pool(ThreadsOf(a.Integer("--threads")));
  std::string lines, labels;
  for (const std::string& file : files) {
    WRING_ASSIGN(const auto samples, ReadMono(file, 16000));
    WRING_ASSIGN(const Activity activity, detector->Run(samples, pool));
    const auto length = LengthOf16k(samples.size());
    Recording found{std::filesystem::path(file).stem().string(), {}};
    std::vector<Span> spans = SpansOf(activity.probabilities, activity.hop, length, smoothing);
    for (const Span& s : spans) {
      found.segments.push_back({s.start, s.end, "speech"});
      lines += fmt::format("{} {:.3f} {:.3f}\n", file, Seconds(s.start), Seconds(s.end));
    }
    labels += RttmText(found);
    if (scores) WRING_TRY(scores->Add(found, activity, length));
    if (!picture.empty()) {
      std::vector<Mark> marks = {{"speech", std::move(spans)}};
      if (scores) marks.push_back({"reference", Speech(*scores->Find(found.name))});
      WRING_TRY(WriteFileAtomically(picture, WaveSvg(file, samples, 16000, marks)));
    }
  }
  if (!rttm.empty()) WRING_TRY(WriteFileAtomically(rttm, labels));
  if (!scores) return Print(lines);
  const nlohmann::json j = scores->Json();
  if (!json.empty() && json != "-") WRING_TRY(WriteFileAtomically(json, DumpJson(j, 1) + "\n"));
  return Print(json == "-" ? DumpJson(j, 1) + "\n" : Text(j));
}

}  // namespace wring::cli
