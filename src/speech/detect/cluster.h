// Agglomerative clustering of vectors of length 1 by mean cosine (average linkage, UPGMA), as a chain of nearest
// neighbours: n^2 steps and n^2 floats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace wring::speech {

struct ClusterLimits {
  double threshold = 0.5;           // clusters with a mean cosine above it merge
  uint32_t least = 1, most = 1000;  // clusters at the end, whatever the threshold says
};

// The cluster of each of the rows of `size` values; clusters are numbered as they first appear.
std::vector<uint32_t> ClusterByCosine(std::span<const float> rows, size_t size,
                                      const ClusterLimits& limits);

}  // namespace wring::speech
