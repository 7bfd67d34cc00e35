// wring speech diarize: who speaks when.
#include <filesystem>

#include "base/atomic_file.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/subject.h"
#include "formats/mapped_file.h"
#include "speech/audio/resample.h"
#include "speech/detect/diarizer.h"
#include "speech/detect/weights.h"
#include "speech/labels/rttm.h"
#include "speech/labels/spans.h"
#include "speech/report/wave.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

Result<std::unique_ptr<Embedding>> FindEmbedding(const std::string& name) {
  if (name == "built-in") return Embedding::FromBytes(BuiltInEmbedding(), "the built-in embedding");
  WRING_ASSIGN(const auto file, MappedFile::Open(name));
  return Embedding::FromBytes(file->bytes(), name);
}

std::vector<Mark> MarksOf(const std::vector<Segment>& segments) {
  std::vector<Mark> marks;
  for (const Segment& s : segments) {
    auto mark = std::find_if(marks.begin(), marks.end(),
                             [&](const Mark& m) { return m.name == s.speaker; });
    if (mark == marks.end()) mark = marks.insert(marks.end(), {s.speaker, {}});
    mark->spans.push_back({s.start, s.end});
  }
  return marks;
}

}  // namespace

Status SpeechDiarize(const Arguments& a) {
  const std::string rttm = a.Text("--rttm"), picture = a.Text("--picture");
  for (const std::string& path : {rttm, picture}) WRING_TRY(CheckWritable(path));
  const std::vector<std::string> files = a.Texts("FILE");
  if (!picture.empty() && files.size() > 1)
    return Error(Code::kInvalid, "--picture shows one file, not {}: give one", files.size());
  DiarizeOptions options;
  options.least_speakers = static_cast<uint32_t>(a.Integer("--least-speakers"));
  options.most_speakers = static_cast<uint32_t>(a.Integer("--most-speakers"));
  if (options.least_speakers > options.most_speakers)
    return Error(Code::kInvalid, "--least-speakers {} is more than --most-speakers {}",
                 options.least_speakers, options.most_speakers);
  WRING_ASSIGN(const auto embedding, FindEmbedding(a.Text("--embedding")));
  WRING_ASSIGN(const auto detector, FindDetector(a.Text("--detector")));
  std::vector<Recording> given;
  if (a.Has("--speech")) {
    WRING_ASSIGN(given, ReadRttm(a.Text("--speech")));
  }
  ThreadPool pool(ThreadsOf(a.Integer("--threads")));
  std::string labels;
  for (const std::string& file : files) {
    WRING_ASSIGN(const auto samples, ReadMono(file, 16000));
    Recording found{std::filesystem::path(file).stem().string(), {}};
    std::vector<Span> spans;
    if (a.Has("--speech")) {
      const auto known = std::find_if(given.begin(), given.end(),
                                      [&](const Recording& r) { return r.name == found.name; });
      if (known == given.end()) {
        return Error(Code::kNotFound,
                     "--speech has no recording {}: name the file as it does, or other labels",
                     found.name);
      }
      spans = Speech(*known);
    } else {
      WRING_ASSIGN(const Activity activity, detector->Run(samples, pool));
      const auto length = LengthOf16k(samples.size());
      spans = SpansOf(activity.probabilities, activity.hop, length, detector->smoothing());
    }
    const Voices voices = VoicesOf(*embedding, samples, spans, pool);
    found.segments = SegmentsByVoice(voices, spans, embedding->space(), embedding->hmm, options);
    labels += RttmText(found);
    if (!picture.empty())
      WRING_TRY(
          WriteFileAtomically(picture, WaveSvg(file, samples, 16000, MarksOf(found.segments))));
  }
  return rttm.empty() ? Print(labels) : WriteFileAtomically(rttm, labels);
}

}  // namespace wring::cli
