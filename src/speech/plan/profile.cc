#include "speech/plan/profile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace wring::speech {
namespace {

constexpr size_t kQuantiles = 200;

double MeanOf(const std::vector<double>& v) {
  return v.empty() ? 0 : std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

double VarianceOf(const std::vector<double>& v) {
  const double mean = MeanOf(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return v.empty() ? 0 : sum / static_cast<double>(v.size());
}

// At most kQuantiles + 1 values of the list, evenly over its ranks; a family of `spare`'s mean where it is empty.
Family FamilyOf(std::vector<double> values, const Family& spare) {
  if (values.empty()) return spare;
  std::sort(values.begin(), values.end());
  Family f;
  f.kind = Family::Kind::kQuantiles;
  f.mean = MeanOf(values);
  f.cv = f.mean > 0 ? std::sqrt(VarianceOf(values)) / f.mean : 0;
  const size_t steps = std::clamp<size_t>(values.size() - 1, 1, kQuantiles);
  for (size_t i = 0; i <= steps; ++i) {
    const size_t rank = i * (values.size() - 1) / steps;
    f.quantiles.push_back(std::round(values[rank] * 1e4) / 1e4);
  }
  return f;
}

Status CheckShare(const char* name, const Share& s) {
  if (s.mean >= 0 && s.mean < 1 && s.variance >= 0 &&
      (s.variance == 0 || s.variance < s.mean * (1 - s.mean)))
    return {};
  return Error(
      Code::kInvalid,
      "the {} share cannot have mean {} and variance {}: give a mean from 0 to below 1 and "
      "a variance below mean x (1 - mean)",
      name, s.mean, s.variance);
}

Status CheckFamily(const char* name, const Family& f) {
  if (f.kind == Family::Kind::kQuantiles) {
    if (f.quantiles.size() >= 2 && std::is_sorted(f.quantiles.begin(), f.quantiles.end()) &&
        f.quantiles.front() >= 0 && f.quantiles.back() <= 36000)
      return {};
    return Error(Code::kInvalid, "{} needs two or more ascending quantiles from 0 to 36000 seconds",
                 name);
  }
  if (f.mean > 0 && f.mean <= 3600 && f.cv >= 0 && f.cv <= 100) return {};
  return Error(Code::kInvalid,
               "{} needs a mean above 0 seconds and a cv from 0 to 100, not {} and {}", name,
               f.mean, f.cv);
}

Status CheckProbability(const char* name, double p, double high = 1) {
  if (p >= 0 && p <= high) return {};
  return Error(Code::kInvalid, "{} cannot be {}: give 0 to {}", name, p, high);
}

}  // namespace

double Family::Draw(Draws& draws) const {
  switch (kind) {
    case Kind::kQuantiles: {
      const double at = draws.Uniform() * static_cast<double>(quantiles.size() - 1);
      const auto below = std::min(static_cast<size_t>(at), quantiles.size() - 2);
      const double part = at - static_cast<double>(below);
      return quantiles[below] + part * (quantiles[below + 1] - quantiles[below]);
    }
    case Kind::kLogNormal: {
      // E = exp(m + v/2) and cv^2 = exp(v) - 1.
      const double v = std::log1p(cv * cv);
      return mean * std::exp(std::sqrt(v) * draws.Normal() - v / 2);
    }
    case Kind::kGamma: return draws.Gamma(mean, mean * cv);
  }
  return mean;
}

Status CheckProfile(const Profile& p) {
  WRING_TRY(CheckShare("silence", p.silence));
  WRING_TRY(CheckShare("overlap", p.overlap));
  for (const auto& [silence, overlap] : p.shares) {
    WRING_TRY(CheckShare("silence", {silence, 0}));
    WRING_TRY(CheckShare("overlap", {overlap, 0}));
  }
  if (p.speakers.empty())
    return Error(Code::kInvalid, "the profile {} says no number of speakers", p.name);
  for (const uint32_t n : p.speakers) {
    if (n < 1 || n > 1000)
      return Error(Code::kInvalid, "a session cannot have {} speakers: give 1 to 1000", n);
    if (p.min_dominance < 0 || p.min_dominance * n > 1) {
      return Error(Code::kInvalid,
                   "{} speakers cannot have {} of the speech each: give a min_dominance of at most "
                   "{:.3f}",
                   n, p.min_dominance, 1.0 / n);
    }
  }
  if (!(p.dominance_std >= 0 && p.dominance_std <= 10))
    return Error(Code::kInvalid, "dominance_std cannot be {}: give 0 to 10", p.dominance_std);
  WRING_TRY(CheckProbability("change", p.change));
  WRING_TRY(CheckProbability("overlapped", p.overlapped));
  WRING_TRY(CheckProbability("embedded", p.embedded, 0.8));
  if (p.words_k < 0 || (p.words_k > 0 && !(p.words_p > 0.001 && p.words_p <= 1)))
    return Error(Code::kInvalid,
                 "turns of NB({}, {}) words cannot be: give k >= 0 and p from 0.001 to 1",
                 p.words_k, p.words_p);
  if (p.words_k == 0) WRING_TRY(CheckFamily("floor_length", p.floor_length));
  if (p.embedded > 0) WRING_TRY(CheckFamily("embedded_length", p.embedded_length));
  WRING_TRY(CheckFamily("same_pause", p.same_pause));
  WRING_TRY(CheckFamily("change_pause", p.change_pause));
  return CheckFamily("change_overlap", p.change_overlap);
}

Result<Profile> FitProfile(const std::string& name, const Statistics& s) {
  if (s.followers == 0) {
    return Error(Code::kInvalid,
                 "{} holds no two segments one after another: give labels of a conversation", name);
  }
  Profile p;
  p.name = name;
  std::vector<double> silence, overlap, dominance;
  for (const SessionShape& shape : s.sessions) {
    p.shares.emplace_back(std::round(shape.silence * 1e5) / 1e5,
                          std::round(shape.overlap * 1e5) / 1e5);
    silence.push_back(shape.silence);
    overlap.push_back(shape.overlap);
    p.speakers.push_back(shape.speakers);
    dominance.push_back(shape.dominance_std);
  }
  std::sort(p.speakers.begin(), p.speakers.end());
  p.silence = {MeanOf(silence), VarianceOf(silence)};
  p.overlap = {MeanOf(overlap), VarianceOf(overlap)};
  p.dominance_std = MeanOf(dominance);
  p.min_dominance = std::min(0.05, 0.5 / p.speakers.back());
  p.change = s.change_probability();
  p.overlapped = s.overlap_given_change();
  p.embedded = s.embedded_share();
  p.words_k = 0;
  const Family pause{Family::Kind::kLogNormal, 0.7, 1.2, {}};
  p.floor_length = FamilyOf(s.floor_lengths, {Family::Kind::kLogNormal, 3, 1, {}});
  p.embedded_length = FamilyOf(s.embedded_lengths, {Family::Kind::kLogNormal, 0.5, 0.5, {}});
  p.same_pause = FamilyOf(s.same_pauses, pause);
  p.change_pause = FamilyOf(s.change_pauses, pause);
  p.change_overlap = FamilyOf(s.change_overlaps, pause);
  return p;
}

}  // namespace wring::speech
