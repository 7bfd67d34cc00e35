// Profiles as JSON, and the presets that the binary carries.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "formats/json.h"
#include "formats/printable.h"
#include "speech/plan/profile.h"

namespace wring::speech {
namespace {

constexpr char kPresets[] =
#include "speech/presets.inc"
    ;

nlohmann::json ToJson(const Family& f) {
  switch (f.kind) {
    case Family::Kind::kQuantiles: return {{"quantiles", f.quantiles}};
    case Family::Kind::kLogNormal: return {{"family", "lognormal"}, {"mean", f.mean}, {"cv", f.cv}};
    case Family::Kind::kGamma: return {{"family", "gamma"}, {"mean", f.mean}, {"cv", f.cv}};
  }
  return {};
}

// Reads members of one object; the first that does not fit is the error. Absent ones stay as they are.
class Reader {
 public:
  Reader(const nlohmann::json& json, std::string what) : json_(json), what_(std::move(what)) {}

  const nlohmann::json* Find(const char* key) {
    known_.emplace_back(key);
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  void Number(const char* key, double* to) {
    const nlohmann::json* j = Find(key);
    if (j == nullptr) return;
    if (!j->is_number()) return Fail(key, "a number");
    *to = j->get<double>();
  }
  void Numbers(const char* key, std::vector<double>* to) {
    const nlohmann::json* j = Find(key);
    if (j == nullptr) return;
    if (!j->is_array()) return Fail(key, "a list of numbers");
    to->clear();
    for (const auto& n : *j) {
      if (!n.is_number()) return Fail(key, "a list of numbers");
      to->push_back(n.get<double>());
    }
  }
  void ShareOf(const char* key, Share* to) {
    const nlohmann::json* j = Find(key);
    if (j == nullptr) return;
    if (j->is_number()) {
      *to = {j->get<double>(), 0};
      return;
    }
    if (!j->is_object()) return Fail(key, "a number or an object with mean and variance");
    Reader r(*j, what_ + ": " + key);
    r.Number("mean", &to->mean);
    r.Number("variance", &to->variance);
    Take(r.Finish());
  }
  void FamilyOf(const char* key, Family* to) {
    const nlohmann::json* j = Find(key);
    if (j == nullptr) return;
    if (!j->is_object()) return Fail(key, "an object with quantiles, or with family, mean and cv");
    Reader r(*j, what_ + ": " + key);
    if (j->contains("quantiles")) {
      to->kind = Family::Kind::kQuantiles;
      r.Numbers("quantiles", &to->quantiles);
      // Between quantiles a length is uniform, so the mean is that of their neighbours' means.
      const auto& q = to->quantiles;
      double mean = 0, square = 0;
      for (size_t i = 1; i < q.size(); ++i) {
        const double steps = static_cast<double>(q.size() - 1), middle = (q[i - 1] + q[i]) / 2;
        mean += middle / steps;
        square += middle * middle / steps;
      }
      to->mean = mean;
      to->cv = mean > 0 ? std::sqrt(std::max(0.0, square - mean * mean)) / mean : 0;
    } else {
      const nlohmann::json* family = r.Find("family");
      const bool gamma = family != nullptr && *family == "gamma";
      if (!gamma && (family == nullptr || *family != "lognormal"))
        return Fail(key, "of the family lognormal or gamma");
      to->kind = gamma ? Family::Kind::kGamma : Family::Kind::kLogNormal;
      r.Number("mean", &to->mean);
      r.Number("cv", &to->cv);
    }
    Take(r.Finish());
  }
  void Fail(const char* key, const char* must) {
    Take(Error(Code::kInvalid, "{}: {} must be {}", what_, key, must));
  }
  void Take(const Status& status) {
    if (status_.ok()) status_ = status;
  }
  // The first error; a member that nobody asked for is one, since a misspelt name would be ignored otherwise.
  Status Finish() {
    WRING_TRY(status_);
    for (const auto& [key, value] : json_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        return Error(Code::kInvalid,
                     "{} has no use for {}: docs/speech.md lists what a profile says", what_,
                     Quoted(key));
    }
    return {};
  }

 private:
  const nlohmann::json& json_;
  std::string what_;
  Status status_;
  std::vector<std::string> known_;
};

}  // namespace

nlohmann::json ToJson(const Profile& p) {
  nlohmann::json j = {{"name", p.name},
                      {"speakers", p.speakers},
                      {"silence", {{"mean", p.silence.mean}, {"variance", p.silence.variance}}},
                      {"overlap", {{"mean", p.overlap.mean}, {"variance", p.overlap.variance}}},
                      {"dominance_std", p.dominance_std},
                      {"min_dominance", p.min_dominance},
                      {"change", p.change},
                      {"overlapped", p.overlapped},
                      {"embedded", p.embedded},
                      {"same_pause", ToJson(p.same_pause)},
                      {"change_pause", ToJson(p.change_pause)},
                      {"change_overlap", ToJson(p.change_overlap)}};
  if (!p.shares.empty()) j["shares"] = p.shares;
  if (p.words_k > 0) {
    j["words"] = {p.words_k, p.words_p};
  } else {
    j["floor_length"] = ToJson(p.floor_length);
  }
  if (p.embedded > 0) j["embedded_length"] = ToJson(p.embedded_length);
  return j;
}

Result<Profile> ProfileFromJson(const nlohmann::json& json, const std::string& what) {
  Profile p;
  p.name = what;
  Reader r(json, what);
  if (const auto* name = r.Find("name"); name != nullptr && name->is_string())
    p.name = name->get<std::string>();
  std::vector<double> speakers;
  r.Numbers("speakers", &speakers);
  for (const double n : speakers)
    p.speakers.push_back(n >= 1 && n <= 1000 ? static_cast<uint32_t>(n) : 0);
  r.ShareOf("silence", &p.silence);
  r.ShareOf("overlap", &p.overlap);
  r.Number("dominance_std", &p.dominance_std);
  r.Number("min_dominance", &p.min_dominance);
  r.Number("change", &p.change);
  r.Number("overlapped", &p.overlapped);
  r.Number("embedded", &p.embedded);
  std::vector<double> words;
  r.Numbers("words", &words);
  if (words.size() == 2) {
    p.words_k = words[0];
    p.words_p = words[1];
  } else if (!words.empty()) {
    r.Fail("words", "the two numbers k and p");
  }
  if (json.contains("floor_length")) p.words_k = 0;
  r.FamilyOf("floor_length", &p.floor_length);
  r.FamilyOf("embedded_length", &p.embedded_length);
  r.FamilyOf("same_pause", &p.same_pause);
  r.FamilyOf("change_pause", &p.change_pause);
  r.FamilyOf("change_overlap", &p.change_overlap);
  if (const auto* shares = r.Find("shares"); shares != nullptr) {
    for (const auto& s : *shares) {
      if (!s.is_array() || s.size() != 2 || !s[0].is_number() || !s[1].is_number()) {
        r.Fail("shares", "a list of [silence, overlap]");
        break;
      }
      p.shares.emplace_back(s[0].get<double>(), s[1].get<double>());
    }
  }
  WRING_TRY(r.Finish());
  if (const Status fits = CheckProfile(p); !fits.ok())
    return Error(fits.code(), "{}: {}", what, fits.message());
  return p;
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  const auto presets = ParseJsonObject(kPresets, "presets");
  if (presets.ok()) {
    for (const auto& [name, value] : presets->items()) names.push_back(name);
  }
  return names;
}

Result<Profile> FindProfile(const std::string& name) {
  WRING_ASSIGN(const nlohmann::json presets, ParseJsonObject(kPresets, "presets"));
  if (const auto found = presets.find(name); found != presets.end())
    return ProfileFromJson(*found, name);
  if (name.find('/') == std::string::npos && !name.ends_with(".json")) {
    return Error(Code::kNotFound,
                 "there is no profile {}: give {} or a JSON file of wring speech profile fit",
                 Quoted(name), fmt::join(PresetNames(), ", "));
  }
  WRING_ASSIGN(const nlohmann::json json, ReadJsonObject(name));
  return ProfileFromJson(json, name);
}

}  // namespace wring::speech
