// The assignment problem: one-to-one pairs of rows and columns with the greatest sum of weights
// (Kuhn 1955, "The Hungarian method for the assignment problem"; here with shortest augmenting
// paths, Edmonds and Karp 1972). Exact in integers. Time: rows^2 * columns for the smaller side as
// rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace wring::speech {

// `weights` is [rows][columns], each >= 0 and their sum over any one-to-one choice below 2^62. The
// column of each row; a pair of weight 0 is no pair. Of equally good choices the same one each
// time.
std::vector<std::optional<uint32_t>> BestAssignment(std::span<const int64_t> weights, size_t rows,
                                                    size_t columns);

}  // namespace wring::speech
