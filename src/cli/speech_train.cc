// wring speech train: detectors, on simulated conversations alone.
#include "base/atomic_file.h"
#include "base/freed_memory.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/speech_options.h"
#include "cli/speech_sources.h"
#include "cli/subject.h"
#include "formats/printable.h"
#include "speech/detect/train_embedding.h"
#include "speech/detect/train_vad.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

// Only the speakers for checking (and their other speeds), or all but them.
SourceCorpus Part(const SourceCorpus& all, const std::vector<std::string>& check, bool checking) {
  SourceCorpus part;
  for (const SourceUtterance& u : all.utterances) {
    const std::string& name = all.speakers[u.speaker];
    const bool in =
        std::find(check.begin(), check.end(), name.substr(0, name.find('@'))) != check.end();
    if (in != checking) continue;
    SourceUtterance copy = u;
    copy.speaker = part.Speaker(name);
    part.Add(std::move(copy));
  }
  return part;
}

Status TrainVadTo(const Arguments& a, TrainingSessions& sessions, TrainingSessions& check,
                  ThreadPool& pool, Progress* progress, const CancelToken& cancel) {
  VadTraining options;
  options.seed = static_cast<uint64_t>(a.Integer("--training-seed"));
  options.steps = static_cast<uint32_t>(a.Integer("--steps"));
  options.batch = static_cast<uint32_t>(a.Integer("--batch"));
  options.rate = a.Number("--learning-rate");
  options.from = a.Text("--from");
  options.bridge = MicrosOf(a.Number("--bridge"));
  WRING_ASSIGN(const VadResult result, TrainVad(sessions, check, options, pool, progress, cancel));
  WRING_ASSIGN(const std::string bytes, result.vad->ToBytes());
  WRING_TRY(WriteFileAtomically(a.Text("OUT"), bytes));
  const Smoothing s = result.vad->smoothing();
  return Print(fmt::format(
      "{} parameters, loss {:.4f}; on simulated sessions detection error {:.4f}, AUROC {:.4f} with "
      "threshold {:.2f}, average {:.2f} s, bridge {:.2f} s\n",
      result.vad->parameters().Count(), result.loss, result.detection_error, result.area,
      s.threshold, Seconds(s.average), Seconds(s.bridge)));
}

Status TrainEmbeddingTo(const Arguments& a, TrainingSessions& sessions, TrainingSessions& check,
                        ThreadPool& pool, Progress* progress, const CancelToken& cancel) {
  EmbeddingTraining options;
  options.seed = static_cast<uint64_t>(a.Integer("--training-seed"));
  options.steps = static_cast<uint32_t>(a.Integer("--steps"));
  options.batch = static_cast<uint32_t>(a.Integer("--batch"));
  options.rate = a.Number("--learning-rate");
  options.from = a.Text("--from");
  WRING_ASSIGN(const EmbeddingResult result,
               TrainEmbedding(sessions, check, options, pool, progress, cancel));
  WRING_ASSIGN(const std::string bytes, result.embedding->ToBytes());
  WRING_TRY(WriteFileAtomically(a.Text("OUT"), bytes));
  return Print(fmt::format(
      "{} parameters, {} speakers, loss {:.4f}; on simulated sessions of others, speech given, "
      "diarization error {:.4f} with evidence {:.2f}, prior {:.1f}\n",
      result.embedding->parameters().Count(), sessions.corpus().speakers.size(), result.loss,
      result.error, result.embedding->hmm.evidence, result.embedding->hmm.prior));
}

}  // namespace

Status SpeechTrain(const Arguments& a) {
  const std::string what = a.Text("WHAT");
  if (what != "vad" && what != "embedding")
    return Error(Code::kInvalid, "{} cannot be trained: say vad or embedding", Quoted(what));
  WRING_TRY(CheckWritable(a.Text("OUT")));
  if (!a.Has("--sources"))
    return Error(Code::kInvalid, "training needs real speech: give --sources");
  WRING_ASSIGN(const Profile profile, FindProfile(a.Text("--profile")));
  WRING_ASSIGN(const speech::PlanOptions plan, SpeechPlanOf(a));
  WRING_ASSIGN(RenderOptions render, SpeechSoundOf(a, profile));
  if (render.rate != 16000 || render.microphones != 1 || render.stems)
    return Error(Code::kInvalid, "training is at 16000 Hz with one microphone and no stems");
  KeepFreedMemory();
  ThreadPool pool(ThreadsOf(a.Integer("--threads")));
  Bar bar;
  WRING_ASSIGN(const SourceCorpus all, SourcesOf(a, pool, &bar));
  const std::vector<std::string> held = a.Texts("--check");
  const SourceCorpus corpus = Part(all, held, false);
  const SourceCorpus check = held.empty() ? corpus : Part(all, held, true);
  WRING_TRY(CheckPlan(corpus, profile, plan));
  const bool voices = what == "embedding";
  Profile check_profile = profile;
  speech::PlanOptions check_plan = plan;
  if (voices) {
    // Speakers are told apart in whole conversations of two to four; training wants many voices and little of each.
    WRING_ASSIGN(check_profile, FindProfile("ami"));
    check_profile.speakers = {2, 3, 4};
    check_plan.speakers.reset();
    check_plan.silence.reset();
    check_plan.overlap.reset();
    check_plan.seconds = 60;
  }
  WRING_TRY(CheckPlan(check, check_profile, check_plan));
  TrainingSessions sessions(corpus, profile, plan, render),
      others(check, check_profile, check_plan, render);
  CancelToken cancel;
  Interrupt interrupt(&cancel);
  return voices ? TrainEmbeddingTo(a, sessions, others, pool, &bar, cancel)
                : TrainVadTo(a, sessions, others, pool, &bar, cancel);
}

}  // namespace wring::cli
