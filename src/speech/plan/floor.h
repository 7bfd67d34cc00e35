// Who speaks next: shares of the session's speech by speaker, and what each has left of his.
#pragma once

#include <vector>

#include "speech/plan/profile.h"

namespace wring::speech {

class Floor {
 public:
  // Shares of `speech` seconds: normal about the mean, none below the profile's least.
  Floor(uint32_t speakers, const Profile& profile, double speech, Draws& draws);

  // Any but `but`, by what is left to him.
  uint32_t Other(uint32_t but, Draws& draws) const;
  uint32_t First(Draws& draws) const { return Other(static_cast<uint32_t>(left_.size()), draws); }
  void Spend(uint32_t speaker, double seconds) { left_[speaker] -= seconds; }

 private:
  std::vector<double> left_;
};

}  // namespace wring::speech
