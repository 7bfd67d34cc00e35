// How voices vary: in directions in which speakers differ more than one speaker does with himself (two-covariance linear
// discriminant analysis, Ioffe 2006). In the space a speaker's vectors vary by 1 in every direction and speakers by `between`.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace wring::speech {

inline constexpr size_t kVoiceAxes = 32;

struct VoiceSpace {
  std::vector<float> mean;     // kVoiceSize
  std::vector<float> axes;     // kVoiceAxes rows of kVoiceSize
  std::vector<float> between;  // kVoiceAxes, descending, positive

  // kVoiceAxes values for each of `rows` (kVoiceSize values each).
  std::vector<double> Coordinates(std::span<const float> rows) const;
};

// From `rows` of which each is one of a group (a speaker in a session); groups of fewer than eight are left out.
VoiceSpace FitVoiceSpace(std::span<const float> rows, std::span<const int32_t> groups);

}  // namespace wring::speech
