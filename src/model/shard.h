// Cuts a model among ranks: its spec, its weights, its op list.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/arch/architecture.h"
#include "model/model_spec.h"
#include "model/op_list.h"

namespace wring {

// How `rank` of `ranks` computes the model. `reduce`: joined by sums wherever the inputs can be cut at blocks of every
// weight format (256), else gathered. kUnsupported with the numbers of ranks that there could be.
Result<Sharding> Shard(const ModelSpec& spec, uint32_t rank, uint32_t ranks, bool reduce);

// The spec with this rank's heads and gated width in place of the model's; itself when undivided.
ModelSpec LocalSpec(const ModelSpec& spec);

// This rank's rows and columns of the weights that an undivided spec declares.
std::vector<WeightDecl> ShardWeights(std::vector<WeightDecl> weights, const ModelSpec& spec);

// The op list of one rank, from that of a local spec: collectives stand where ranks meet.
std::vector<Op> ShardOps(std::vector<Op> ops, const ModelSpec& local);

// The columns of an activation that each rank computes.
std::vector<Range> SlicesOf(const ModelSpec& local, Slot slot);

}  // namespace wring
