// The statistics that a conversation is made to have: fitted on labels of real recordings, or stated.
//
// Everything is in seconds and shares. JSON is its text; docs/speech.md lists the keys.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/statistics.h"
#include "speech/plan/draws.h"

namespace wring::speech {

// A distribution of positive lengths.
struct Family {
  enum class Kind { kQuantiles, kLogNormal, kGamma };
  Kind kind = Kind::kLogNormal;
  double mean = 1;
  double cv = 1;                  // standard deviation over mean
  std::vector<double> quantiles;  // kQuantiles: at 0, 1/n, ... 1; at least 2, ascending

  double Draw(Draws& draws) const;
};

// A share of time that each session has.
struct Share {
  double mean = 0;
  double variance = 0;  // 0: always the mean; else a Beta distribution
};

struct Profile {
  std::string name;
  std::vector<uint32_t> speakers;  // of a session: one of these, with repetitions as weights
  Share silence, overlap;
  // Where not empty, a session takes (silence, overlap) of one of these instead.
  std::vector<std::pair<double, double>> shares;
  double dominance_std = 0.11;  // of speakers' shares of speech
  double min_dominance = 0.05;
  double change = 0.875;    // another speaker takes the floor
  double overlapped = 0.4;  // of changes
  double embedded = 0;      // of all segments, those that end before the floor does
  // Lengths of turns: words by NB(k, p) + 1, or seconds where `words_k` is 0.
  double words_k = 0.4, words_p = 0.05;
  Family floor_length, embedded_length;
  Family same_pause, change_pause, change_overlap;
};

Status CheckProfile(const Profile& profile);

// Of recordings; kInvalid where they are too few to say something (a single segment).
Result<Profile> FitProfile(const std::string& name, const Statistics& statistics);

nlohmann::json ToJson(const Profile& profile);
Result<Profile> ProfileFromJson(const nlohmann::json& json, const std::string& what);

// A preset's name (ami, voxconverse, telephone, beta) or a JSON file.
Result<Profile> FindProfile(const std::string& name_or_path);
std::vector<std::string> PresetNames();

}  // namespace wring::speech
