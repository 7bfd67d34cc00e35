// wring speech simulate: conversations made of single speakers' recordings.
#include <charconv>

#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/speech_sources.h"
#include "cli/subject.h"
#include "formats/printable.h"
#include "ranks/mpi_link.h"
#include "speech/corpus/simulate.h"

namespace wring::cli {
namespace {

using namespace speech;  // NOLINT: this file is of speech alone

// "LOW,HIGH", or one number for both.
Status ReadRange(const Arguments& a, const char* flag, double least, double most, double* low,
                 double* high) {
  const std::string text = a.Text(flag);
  const size_t comma = std::min(text.find(','), text.size());
  const auto number = [](std::string_view t, double* to) {
    const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), *to);
    return error == std::errc() && end == t.data() + t.size();
  };
  const std::string_view all(text);
  const bool read = number(all.substr(0, comma), low) &&
                    (comma == text.size() ? (*high = *low, true) : number(all.substr(comma + 1), high));
  if (read && *low <= *high && *low >= least && *high <= most) return {};
  return Error(Code::kInvalid, "{} cannot be {}: give LOW,HIGH from {} to {}", flag, Quoted(text),
               least, most);
}

Result<RenderOptions> SoundOf(const Arguments& a, bool telephone) {
  RenderOptions r;
  r.seed = static_cast<uint64_t>(a.Integer("--seed"));
  r.rate = static_cast<uint32_t>(a.Integer("--rate"));
  r.stems = a.Has("--stems");
  r.dither = a.Has("--dither");
  r.levels = a.Text("--levels") == "rms"        ? Levels::kRms
             : a.Text("--levels") == "loudness" ? Levels::kLoudness
                                                : Levels::kSource;
  r.speaker_db = a.Number("--speaker-db");
  r.turn_db = a.Number("--turn-db");
  WRING_TRY(ReadRange(a, "--level", -80, -3, &r.least_level, &r.most_level));
  r.room_share = a.Number("--rooms");
  WRING_TRY(ReadRange(a, "--t60", 0.05, 5, &r.room.least_t60, &r.room.most_t60));
  r.microphones = static_cast<uint32_t>(a.Integer("--microphones"));
  r.telephone_share = a.Has("--telephone") ? a.Number("--telephone") : telephone ? 1 : 0;
  if (a.Has("--snr")) {
    double low = 0, high = 0;
    WRING_TRY(ReadRange(a, "--snr", -40, 100, &low, &high));
    r.least_snr = low;
    r.most_snr = high;
  } else if (a.Has("--noises")) {
    return Error(Code::kInvalid, "--noises needs --snr: say how loud the noise is, as --snr 5,20");
  }
  if (a.Has("--noises")) {
    WRING_ASSIGN(r.noises, LoadBank(a.Texts("--noises"), r.rate));
  }
  if (a.Has("--responses")) {
    WRING_ASSIGN(r.responses, LoadResponses(a.Texts("--responses"), r.rate));
    if (!a.Has("--rooms")) r.room_share = 1;
  }
  return r;
}

speech::PlanOptions PlanOf(const Arguments& a) {
  speech::PlanOptions p;
  p.seed = static_cast<uint64_t>(a.Integer("--seed"));
  p.seconds = a.Number("--seconds");
  p.prefix = a.Text("--prefix");
  p.rule = a.Text("--rule") == "exact"          ? Rule::kExact
           : a.Text("--rule") == "running-mean" ? Rule::kRunningMean
                                                : Rule::kReference;
  if (a.Has("--speakers")) p.speakers = static_cast<uint32_t>(a.Integer("--speakers"));
  if (a.Has("--silence")) p.silence = a.Number("--silence");
  if (a.Has("--overlap")) p.overlap = a.Number("--overlap");
  return p;
}

std::string Summary(const CorpusSummary& s, const CorpusOptions& o) {
  std::string text = fmt::format(
      "{}: {} sessions, {:.2f} hours; silence {:.4f} off what was wanted, overlap {:.4f}", o.folder,
      s.sessions, s.seconds / 3600, s.silence_error, s.overlap_error);
  if (s.infeasible > 0) {
    text += fmt::format("; {} sessions could not be placed: report.html says which and why",
                        s.infeasible);
  }
  if (s.made < s.sessions) text += fmt::format("; {} made now", s.made);
  return text + fmt::format("; {:.1f} s, {:.0f} times real time\n", s.wall_seconds,
                            s.wall_seconds > 0 ? s.seconds / s.wall_seconds : 0);
}

}  // namespace

Status SpeechSimulate(const Arguments& a) {
  WRING_ASSIGN(Profile profile, FindProfile(a.Text("--profile")));
  const speech::PlanOptions plan = PlanOf(a);
  if (plan.prefix.empty() || plan.prefix.find_first_of("/ \t\n") != std::string::npos)
    return Error(Code::kInvalid, "--prefix cannot be {}: give a name without blanks and slashes",
                 Quoted(plan.prefix));
  CorpusOptions options;
  options.folder = a.Text("OUT");
  while (options.folder.size() > 1 && options.folder.back() == '/') options.folder.pop_back();
  options.first = static_cast<uint32_t>(a.Integer("--first"));
  options.sessions = static_cast<uint32_t>(a.Integer("--sessions"));
  options.plan_only = a.Has("--plan-only");
  options.resume = a.Has("--resume");
  options.cache_bytes = static_cast<uint64_t>(a.Integer("--cache")) << 20;
  WRING_ASSIGN(options.format, AudioFormatByName(a.Text("--format")));
  WRING_ASSIGN(const RenderOptions render, SoundOf(a, profile.name == "telephone"));
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
  WRING_ASSIGN(const CorpusSummary summary,
               Simulate(corpus, profile, plan, render, options, pool, link.get(),
                        first ? &bar : nullptr, cancel));
  bar.Clear();
  return first ? Print(Summary(summary, options)) : Status();
}

}  // namespace wring::cli
