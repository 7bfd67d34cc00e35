// wring speech profile: the timing of real conversations, fitted and compared.
#include <algorithm>
#include <filesystem>

#include "base/atomic_file.h"
#include "cli/options.h"
#include "cli/output.h"
#include "formats/json.h"
#include "formats/printable.h"
#include "speech/labels/rttm.h"
#include "speech/labels/statistics.h"
#include "speech/labels/uem.h"
#include "speech/plan/profile.h"
#include "speech/report/histogram.h"

namespace wring::cli {
namespace {

namespace fs = std::filesystem;
using speech::Statistics;

// A file, or all *.rttm of a folder in order of their names.
Result<std::vector<std::string>> RttmFiles(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".rttm" && it->path().filename() != "all.rttm")
      files.push_back(it->path().string());
  }
  std::sort(files.begin(), files.end());
  if (files.empty())
    return Error(Code::kNotFound, "{} holds no .rttm file: name another folder", Quoted(path));
  return files;
}

Status AddFile(const std::string& path, const speech::Uem& uem, Statistics* to) {
  WRING_ASSIGN(const auto recordings, speech::ReadRttm(path));
  for (const speech::Recording& r : recordings) {
    const auto known = uem.find(r.name);
    AddRecording(r, known == uem.end() || known->second.empty() ? 0 : known->second.back().end, to);
  }
  return {};
}

Result<Statistics> StatisticsOf(const std::string& path) {
  Statistics s;
  WRING_ASSIGN(const auto files, RttmFiles(path));
  for (const std::string& file : files) WRING_TRY(AddFile(file, {}, &s));
  if (s.sessions.empty())
    return Error(Code::kInvalid, "{} holds no segment of a speaker: name other labels",
                 Quoted(path));
  return s;
}

Status WriteOut(const std::string& to, const std::string& text) {
  return to == "-" ? Print(text) : WriteFileAtomically(to, text);
}

struct MeanShares {
  double silence = 0, overlap = 0, speakers = 0;
};
MeanShares MeansOf(const Statistics& s) {
  MeanShares m;
  const auto n = static_cast<double>(s.sessions.size());
  for (const speech::SessionShape& shape : s.sessions) {
    m.silence += shape.silence / n;
    m.overlap += shape.overlap / n;
    m.speakers += shape.speakers / n;
  }
  return m;
}

struct Lengths {
  const char* name;
  const std::vector<double>* a;
  const std::vector<double>* b;
};

}  // namespace

Status SpeechProfileFit(const Arguments& a) {
  const std::string out = a.Text("--out");
  WRING_TRY(CheckWritable(out));
  speech::Uem uem;
  if (a.Has("--uem")) {
    WRING_ASSIGN(uem, speech::ReadUem(a.Text("--uem")));
  }
  Statistics s;
  for (const std::string& path : a.Texts("RTTM")) {
    WRING_ASSIGN(const auto files, RttmFiles(path));
    for (const std::string& file : files) WRING_TRY(AddFile(file, uem, &s));
  }
  WRING_ASSIGN(const speech::Profile profile, speech::FitProfile(a.Text("--name"), s));
  WRING_TRY(WriteOut(out, DumpJson(speech::ToJson(profile), 1) + "\n"));
  const MeanShares m = MeansOf(s);
  Note(
      fmt::format("{} recordings, {:.1f} hours, {:.2f} speakers; silence {:.3f}, overlap {:.3f}, "
                  "changes {:.3f}, of them overlapping {:.3f}, embedded {:.3f}\n",
                  s.sessions.size(), s.hours, m.speakers, m.silence, m.overlap, profile.change,
                  profile.overlapped, profile.embedded));
  return {};
}

Status SpeechProfileCompare(const Arguments& a) {
  const std::string svg = a.Text("--svg"), json = a.Text("--json");
  WRING_TRY(CheckWritable(svg));
  WRING_TRY(CheckWritable(json));
  WRING_ASSIGN(const Statistics first, StatisticsOf(a.Text("A")));
  WRING_ASSIGN(const Statistics second, StatisticsOf(a.Text("B")));
  const MeanShares ma = MeansOf(first), mb = MeansOf(second);
  const Lengths rows[] = {{"silences", &first.silences, &second.silences},
                          {"overlaps", &first.overlaps, &second.overlaps},
                          {"segments", &first.segments, &second.segments},
                          {"pauses of a speaker", &first.same_pauses, &second.same_pauses},
                          {"pauses of a change", &first.change_pauses, &second.change_pauses},
                          {"overlaps of a change", &first.change_overlaps, &second.change_overlaps},
                          {"embedded segments", &first.embedded_lengths, &second.embedded_lengths}};
  std::string text = fmt::format("{:22} {:>12} {:>12}\n", "", "A", "B");
  const auto share = [&](const char* name, double x, double y) {
    text += fmt::format("{:22} {:>12.4f} {:>12.4f}\n", name, x, y);
  };
  share("recordings", static_cast<double>(first.sessions.size()),
        static_cast<double>(second.sessions.size()));
  share("hours", first.hours, second.hours);
  share("speakers", ma.speakers, mb.speakers);
  share("silence", ma.silence, mb.silence);
  share("overlap", ma.overlap, mb.overlap);
  share("change of speaker", first.change_probability(), second.change_probability());
  share("overlap of changes", first.overlap_given_change(), second.overlap_given_change());
  share("embedded", first.embedded_share(), second.embedded_share());
  nlohmann::json j = {{"silence", {ma.silence, mb.silence}},
                      {"overlap", {ma.overlap, mb.overlap}},
                      {"ks", nlohmann::json::object()}};
  text += "\nseconds (KS: the largest distance of the two distributions)\n";
  for (const Lengths& r : rows) {
    const bool both = !r.a->empty() && !r.b->empty();
    const double ks = both ? speech::KsDistance(*r.a, *r.b) : 0;
    if (both) j["ks"][r.name] = ks;
    text += fmt::format("{:22} KS {}\n  A {}\n  B {}\n", r.name,
                        both ? fmt::format("{:.4f}", ks) : "none", speech::LengthsText(*r.a),
                        speech::LengthsText(*r.b));
  }
  if (!svg.empty())
    WRING_TRY(
        WriteFileAtomically(svg, speech::HistogramsSvg(a.Text("A"), first, a.Text("B"), second)));
  if (!json.empty() && json != "-") WRING_TRY(WriteFileAtomically(json, DumpJson(j, 1) + "\n"));
  return Print(json == "-" ? DumpJson(j, 1) + "\n" : text);
}

}  // namespace wring::cli
