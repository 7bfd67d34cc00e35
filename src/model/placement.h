// A model that is larger than the GPU: the host computes the first layers, the GPU the rest. Each has its layers' weights
// and their cache; the host's cache is an image of the GPU's pool, block for block (KvLayout::Image), so that whoever owns the
// pool's blocks knows of one pool only.
#pragma once

#include <memory>
#include <vector>

#include "model/executor.h"

namespace wring {

// The spec of the front or the back of a model whose host_layers is set.
ModelSpec PlacedSpec(const ModelSpec& spec, Placement placement);
// Its weights, and its ops.
std::vector<WeightDecl> PlacedWeights(std::vector<WeightDecl> weights, const ModelSpec& spec);
std::vector<Op> PlacedOps(std::vector<Op> ops, const ModelSpec& spec);

// `front`: the host's weights; `weights` and `pool`: of the device that computes the rest.
Result<std::unique_ptr<Executor>> MakePlacedExecutor(const ModelSpec& spec, const Weights& front,
                                                     const Weights& weights,
                                                     const KvLayouts& layouts, PagePool& pool,
                                                     ThreadPool& threads,
                                                     const ExecutorOptions& options);

}  // namespace wring
