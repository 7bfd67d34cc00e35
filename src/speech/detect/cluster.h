// Agglomerative clustering of vectors of length 1 by mean cosine (average linkage, UPGMA), as a chain of nearest
// neighbours: n^2 steps and n^2 floats.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace wring::speech {

// The cluster of each of the rows of `size` values, `count` clusters or as many as rows; they are numbered as they first
// appear.
std::vector<uint32_t> ClusterByCosine(std::span<const float> rows, size_t size, size_t count);

}  // namespace wring::speech
