// Which speaker each of a row of voices is of, and how many speakers there are: a hidden Markov model whose states are
// speakers, each with a place in the voice space that is itself uncertain, so that a speaker who explains little is given up
// (Landini et al. 2022, "Bayesian HMM clustering of x-vector sequences (VBx)").
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace wring::speech {

struct SpeakerHmm {
  double evidence = 0.2;  // of a window; below 1, as windows overlap
  double prior = 6;       // weight of "speakers lie where speakers lie": the larger, the fewer
  double stay = 0.9;      // probability that the next window is of the same speaker

  // Rows of `between.size()` coordinates in time's order, and a first guess of each one's speaker. Gives a row of
  // probabilities for each, one of each guessed speaker; those given up have none anywhere. `all` keeps every speaker as
  // likely as another beforehand.
  std::vector<double> Run(std::span<const double> rows, std::span<const float> between,
                          std::span<const uint32_t> guess, bool all) const;
};

}  // namespace wring::speech
