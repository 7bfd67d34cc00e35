// What one launch of the GPU's executor does (model/cuda/cuda_stages.cc): prices of ops become prices of launches.
#pragma once

#include <string_view>
#include <vector>

#include "analyze/cost.h"

namespace wring::analyze {

// Norms go with products of one or two rows; what stands between heads and the cache with attention of up to eight rows a
// sequence, else with the cache write; the gate with the product before it; the choice of rows with the norm behind it. What
// one op of a launch writes and the next one reads moves no bytes.
std::vector<OpCost> MergedAsOnGpu(std::vector<OpCost> ops, const ModelSpec& spec,
                                  const Workload& work);

// The name by which the launch of a GPU's op table (Executor::TimeOps) is priced.
std::string_view PricedName(std::string_view launch);

}  // namespace wring::analyze
