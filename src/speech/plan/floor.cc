#include "speech/plan/floor.h"

#include <algorithm>

namespace wring::speech {

Floor::Floor(uint32_t speakers, const Profile& profile, double speech, Draws& draws) {
  const double even = 1.0 / speakers;
  double sum = 0;
  for (uint32_t i = 0; i < speakers; ++i) {
    left_.push_back(std::max(0.0, even + profile.dominance_std * draws.Normal()));
    sum += left_.back();
  }
  const double least = std::min(profile.min_dominance, even);
  for (double& share : left_)
    share = speech * (least + (1 - least * speakers) * (sum > 0 ? share / sum : even));
}

uint32_t Floor::Other(uint32_t but, Draws& draws) const {
  // A millisecond each keeps everyone possible until the end.
  const auto weight = [&](uint32_t i) { return i == but ? 0.0 : std::max(left_[i], 0.0) + 1e-3; };
  double sum = 0;
  const auto count = static_cast<uint32_t>(left_.size());
  for (uint32_t i = 0; i < count; ++i) sum += weight(i);
  double at = draws.Uniform() * sum;
  uint32_t last = but == 0 ? count - 1 : 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (i == but) continue;
    last = i;
    at -= weight(i);
    if (at < 0) break;
  }
  return last;
}

}  // namespace wring::speech
