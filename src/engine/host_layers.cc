#include "engine/host_layers.h"

#include <algorithm>

#include "model/executor.h"

namespace wring {
namespace {

constexpr uint32_t kCacheTokens = 8192;               // of one sequence, in float16
constexpr uint64_t kActivations = uint64_t{1} << 30;  // and workspaces, roughly

// Bytes that the file holds of each layer's weights; in the last place, of the model's own that a GPU needs.
std::vector<uint64_t> BytesByLayer(const ModelSpec& spec, const Weights::Source& source) {
  std::vector<uint64_t> bytes(spec.layers + 1);
  for (const WeightDecl& d : source.weights) {
    const bool of_model = d.ref.role <= WeightRole::kFinalNorm;
    if (of_model && IsGathered(d.ref.role) && !spec.tied_head) continue;
    const TensorRecord* t = source.file->Find(d.name);
    // A tensor of a quantised checkpoint goes by other names: a byte a weight is more than it takes.
    const uint64_t all = t != nullptr ? t->bytes : uint64_t{d.stored_rows} * d.cols;
    bytes[of_model ? spec.layers : d.ref.layer] += all * d.rows / std::max(d.stored_rows, 1U);
  }
  return bytes;
}

}  // namespace

Result<uint32_t> HostLayers(const ModelSpec& spec, const Weights::Source& source,
                            const Device& device, int32_t gpu_layers, uint64_t pool_bytes) {
  if (spec.sharding.divided()) return 0U;
  if (device.kind() == DeviceKind::kHost && gpu_layers < 0) return 0U;
  if (gpu_layers == 0) {
    return Error(Code::kInvalid, "--gpu-layers 0 leaves nothing to the GPU: use --device cpu");
  }
  if (gpu_layers > 0) return spec.layers - std::min(spec.layers, static_cast<uint32_t>(gpu_layers));
  const std::vector<uint64_t> bytes = BytesByLayer(spec, source);
  WRING_ASSIGN(const KvLayout layout, CacheLayout(spec, CodecId::kF16));
  const uint64_t moderate = layout.bytes_per_token() * std::min(spec.context, kCacheTokens);
  const uint64_t cache = (pool_bytes != 0 ? pool_bytes : moderate) / spec.layers;
  const uint64_t free = device.memory().free;
  uint64_t needed = kActivations + bytes[spec.layers];
  uint32_t host = spec.layers;
  while (host > 0 && needed + bytes[host - 1] + cache <= free) {
    needed += bytes[host - 1] + cache;
    --host;
  }
  if (host < spec.layers) return host;
  return Error(Code::kLimit,
               "{} has {} MiB free, and one layer of {} with its share of the cache needs {} MiB: "
               "use --device cpu",
               device.name(), free >> 20, source.what,
               (needed + bytes[spec.layers - 1] + cache) >> 20);
}

}  // namespace wring
