// wring speech simulate: conversations made of single speakers' recordings.
#include "base/freed_memory.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/speech_options.h"
#include "cli/speech_sources.h"
#include "cli/subject.h"
#include "ranks/mpi_link.h"
#include "speech/corpus/simulate.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

std::string Summary(const CorpusSummary& s, const CorpusOptions& o) {
  std::string text = fmt::format(
      "{}: {} sessions, {:.2f} hours; silence {:.4f} off what was wanted, overlap {:.4f}", o.folder,
      s.sessions, s.seconds / 3600, s.silence_error, s.overlap_error);
  if (s.infeasible > 0) {
    text += fmt::format("; {} sessions could not be placed: report.html says which and why",
                        s.infeasible);
  }
  if (o.resume) text += fmt::format("; {} made now", s.made);
  return text + fmt::format("; {:.1f} s, {:.0f} times real time\n", s.wall_seconds,
                            s.wall_seconds > 0 ? s.seconds / s.wall_seconds : 0);
}

}  // namespace

Status SpeechSimulate(const Arguments& a) {
  WRING_ASSIGN(Profile profile, FindProfile(a.Text("--profile")));
  WRING_ASSIGN(const speech::PlanOptions plan, SpeechPlanOf(a));
  CorpusOptions options;
  options.folder = a.Text("OUT");
  while (options.folder.size() > 1 && options.folder.back() == '/') options.folder.pop_back();
  options.first = static_cast<uint32_t>(a.Integer("--first"));
  options.sessions = static_cast<uint32_t>(a.Integer("--sessions"));
  options.plan_only = a.Has("--plan-only");
  options.resume = a.Has("--resume");
  options.cache_bytes = static_cast<uint64_t>(a.Integer("--cache")) << 20;
  WRING_ASSIGN(options.format, AudioFormatByName(a.Text("--format")));
  WRING_ASSIGN(const RenderOptions render, SpeechSoundOf(a, profile));
  KeepFreedMemory();
  ThreadPool pool(ThreadsOf(a.Integer("--threads")));
  Bar bar;
  SourceCorpus corpus;
  if (a.Has("--sources")) {
    WRING_ASSIGN(corpus, SourcesOf(a, pool, &bar));
    options.sources = fmt::format("{} speakers, {} utterances: {}", corpus.speakers.size(),
                                  corpus.utterances.size(), fmt::join(a.Texts("--sources"), ", "));
  } else {
    uint32_t most = plan.speakers.value_or(2);
    for (const uint32_t n : profile.speakers) most = std::max(most, n);
    corpus = InventedCorpus(std::max(40U, 2 * most), plan.seed);
    options.sources = "invented";
  }
  std::unique_ptr<Link> link;
  if (MpiRanks() > 1) {
    WRING_ASSIGN(link, OpenMpiLink());
  }
  CancelToken cancel;
  Interrupt interrupt(&cancel);
  const bool first = link == nullptr || link->rank() == 0;
  const auto summary = Simulate(corpus, profile, plan, render, options, pool, link.get(),
                                first ? &bar : nullptr, cancel);
  bar.Clear();
  // All ranks end with the first failure of any; the first rank says it.
  if (!summary.ok() && !first) return Error(Code::kCancelled, "see the first rank");
  WRING_TRY(summary);
  return first ? Print(Summary(*summary, options)) : Status();
}

}  // namespace wring::cli
