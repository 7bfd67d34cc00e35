#include "speech/corpus/corpus_files.h"

#include <cmath>
#include <optional>

#include "formats/json.h"
#include "plot/page.h"
#include "plot/svg.h"
#include "speech/corpus/session_files.h"
#include "speech/labels/export.h"
#include "speech/labels/rttm.h"
#include "speech/labels/uem.h"
#include "speech/report/histogram.h"

namespace wring::speech {
namespace {

// One session as its metadata says.
struct Session {
  std::string name, sound;  // file; empty for a plan
  double duration = 0, wanted_silence = 0, wanted_overlap = 0, silence = 0, overlap = 0;
  std::string infeasible;
  uint32_t rate = 0;
  Recording labels;
  std::string ctm;
};

Result<Session> ReadSession(const std::string& folder, const std::string& name) {
  WRING_ASSIGN(const auto j, ReadJsonObject(folder + "/" + name + ".json"));
  Session s;
  s.name = name;
  s.duration = j.value("duration", 0.0);
  s.wanted_silence = j["wanted"].value("silence", 0.0);
  s.wanted_overlap = j["wanted"].value("overlap", 0.0);
  s.infeasible = j.value("infeasible", "");
  if (j.contains("sound")) {
    s.sound = j["files"][0].value("file", "");
    s.rate = j["sound"].value("rate", 0U);
  }
  WRING_ASSIGN(const auto recordings, ReadRttm(folder + "/" + name + ".rttm"));
  for (const Recording& r : recordings)
    s.labels.segments.insert(s.labels.segments.end(), r.segments.begin(), r.segments.end());
  s.labels.name = name;
  WRING_ASSIGN(s.ctm, ReadText(folder + "/" + name + ".ctm", kMaxJsonBytes));
  // What the labels say, not what the plan meant.
  const Coverage c = CoverageOf(s.labels.segments, MicrosOf(s.duration));
  s.silence = c.silence_ratio();
  s.overlap = c.overlap_ratio();
  return s;
}

std::string TextOf(const std::string& ctm) {
  std::string text;
  const auto words = ParseCtm(ctm, "words");
  if (!words.ok()) return text;
  for (const Word& w : *words) text += (text.empty() ? "" : " ") + w.token;
  return text;
}

std::string ScatterSvg(const char* title, const std::vector<std::pair<double, double>>& points) {
  plot::Plot p;
  p.title = title;
  p.x = {"wanted", false};
  p.y = {"in the labels", false};
  plot::Series s;
  s.points = points;
  s.dots = true;
  s.name = "sessions";
  p.series.push_back(std::move(s));
  return plot::SvgOf(p);
}

std::string ReportHtml(const std::vector<Session>& sessions, const CorpusSummary& summary,
                       const Profile& profile) {
  Statistics statistics;
  std::vector<std::pair<double, double>> silence, overlap;
  std::string bad;
  for (const Session& s : sessions) {
    AddRecording(s.labels, MicrosOf(s.duration), &statistics);
    silence.emplace_back(s.wanted_silence, s.silence);
    overlap.emplace_back(s.wanted_overlap, s.overlap);
    if (!s.infeasible.empty()) bad += plot::Row({s.name, s.infeasible});
  }
  std::string body = fmt::format(
      "<p>{} sessions, {:.2f} hours, made to the profile {}. In the labels, silence is {:.5f} off "
      "what was wanted on the mean, overlap {:.5f}; {} sessions could not be placed.</p>\n",
      sessions.size(), statistics.hours, plot::EscapeXml(profile.name), summary.silence_error,
      summary.overlap_error, summary.infeasible);
  body += "<table>" + plot::Row({"", "seconds"}, "th") +
          plot::Row({"silences", LengthsText(statistics.silences)}) +
          plot::Row({"overlaps", LengthsText(statistics.overlaps)}) +
          plot::Row({"segments", LengthsText(statistics.segments)}) +
          plot::Row({"pauses of a speaker", LengthsText(statistics.same_pauses)}) +
          plot::Row({"pauses of a change", LengthsText(statistics.change_pauses)}) + "</table>\n";
  body += ScatterSvg("Share of silence", silence) + ScatterSvg("Share of overlap", overlap);
  body += HistogramSvg("Lengths", {{"silences", &statistics.silences},
                                   {"overlaps", &statistics.overlaps},
                                   {"segments", &statistics.segments}});
  if (!bad.empty())
    body += "<h2>Sessions that could not be placed</h2><table>" + bad + "</table>\n";
  return plot::Page("Simulated conversations", body);
}

}  // namespace

Result<CorpusSummary> FinishCorpus(const std::string& folder, const CorpusOptions& options,
                                   const std::string& prefix, const Profile& profile,
                                   ThreadPool& pool) {
  CorpusSummary summary;
  std::vector<Session> sessions;
  std::string all_rttm, all_ctm, manifest, cuts;
  Uem uem;
  std::vector<std::optional<Result<Session>>> read(options.sessions);
  pool.ParallelFor(read.size(), 1, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i)
      read[i] = ReadSession(folder, fmt::format("{}_{:06}", prefix, options.first + i));
  });
  for (auto& one : read) {
    WRING_TRY(*one);
    Session s = **std::move(one);
    const std::string& name = s.name;
    all_rttm += RttmText(s.labels);
    all_ctm += s.ctm;
    uem[name] = {{0, MicrosOf(s.duration)}};
    if (!s.sound.empty()) {
      const uint32_t speakers = [&] {
        Statistics statistics;
        AddRecording(s.labels, 0, &statistics);
        return statistics.sessions.empty() ? 0 : statistics.sessions[0].speakers;
      }();
      const nlohmann::json line = {
          {"audio_filepath", s.sound},       {"offset", 0},
          {"duration", s.duration},          {"label", "infer"},
          {"text", TextOf(s.ctm)},           {"num_speakers", speakers},
          {"rttm_filepath", name + ".rttm"}, {"ctm_filepath", name + ".ctm"},
          {"uem_filepath", "all.uem"}};
      manifest += DumpJson(line) + "\n";
      cuts += LhotseCut(
          s.labels, {s.sound, s.rate, static_cast<uint64_t>(std::llround(s.duration * s.rate))});
    }
    summary.seconds += s.duration;
    if (s.infeasible.empty()) {
      summary.silence_error += std::abs(s.silence - s.wanted_silence);
      summary.overlap_error += std::abs(s.overlap - s.wanted_overlap);
    } else {
      ++summary.infeasible;
    }
    s.ctm.clear();  // written: a corpus may hold gigabytes of words
    sessions.push_back(std::move(s));
  }
  summary.sessions = sessions.size();
  if (const auto feasible = static_cast<double>(summary.sessions - summary.infeasible);
      feasible > 0) {
    summary.silence_error /= feasible;
    summary.overlap_error /= feasible;
  }
  WRING_TRY(WriteWhole(folder + "/all.rttm", all_rttm));
  WRING_TRY(WriteWhole(folder + "/all.ctm", all_ctm));
  WRING_TRY(WriteWhole(folder + "/all.uem", UemText(uem)));
  if (!manifest.empty()) {
    WRING_TRY(WriteWhole(folder + "/manifest.jsonl", manifest));
    WRING_TRY(WriteWhole(folder + "/cuts.jsonl", cuts));
  }
  WRING_TRY(WriteWhole(folder + "/report.html", ReportHtml(sessions, summary, profile)));
  return summary;
}

}  // namespace wring::speech
