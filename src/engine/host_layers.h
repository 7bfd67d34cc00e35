#pragma once

#include "model/weights.h"

namespace wring {

// How many of the first layers the host computes, of a model for `device`: those beyond `gpu_layers` (on any device, so
// that what is placed can be tested without a GPU), or, when that is -1,
// those that the GPU has no memory for beside their share of a cache of `pool_bytes` (0: of moderate size). kInvalid for
// none; kLimit when not even the last layer fits.
Result<uint32_t> HostLayers(const ModelSpec& spec, const Weights::Source& source,
                            const Device& device, int32_t gpu_layers, uint64_t pool_bytes);

}  // namespace wring
