#include "cli/speech_options.h"

#include <algorithm>
#include <charconv>

#include "formats/printable.h"

namespace wring::cli {

using namespace speech;  // NOLINT: this file is of speech alone

namespace {

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
  const bool read =
      number(all.substr(0, comma), low) &&
      (comma == text.size() ? (*high = *low, true) : number(all.substr(comma + 1), high));
  if (read && *low <= *high && *low >= least && *high <= most) return {};
  return Error(Code::kInvalid, "{} cannot be {}: give LOW,HIGH from {} to {}", flag, Quoted(text),
               least, most);
}

}  // namespace

Result<RenderOptions> SpeechSoundOf(const Arguments& a, const Profile& profile) {
  const bool telephone = profile.name == "telephone";
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
  r.clatter = a.Number("--clatter");
  r.microphones = static_cast<uint32_t>(a.Integer("--microphones"));
  r.telephone_share = a.Has("--telephone") ? a.Number("--telephone") : telephone ? 1 : 0;
  if (a.Has("--snr")) {
    double low = 0, high = 0;
    WRING_TRY(ReadRange(a, "--snr", -40, 100, &low, &high));
    r.least_snr = low;
    r.most_snr = high;
  } else if (a.Has("--noises") || a.Has("--clatter")) {
    return Error(Code::kInvalid, "{} needs --snr: say how loud the noise is, as --snr 5,20",
                 a.Has("--noises") ? "--noises" : "--clatter");
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

Result<speech::PlanOptions> SpeechPlanOf(const Arguments& a) {
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
  if (p.prefix.empty() || p.prefix.find_first_of("/ \t\n") != std::string::npos)
    return Error(Code::kInvalid, "--prefix cannot be {}: give a name without blanks and slashes",
                 Quoted(p.prefix));
  return p;
}

}  // namespace wring::cli
