#include "kv/layout.h"

#include <algorithm>
#include <cassert>
#include <map>

#include "base/checked.h"
#include "kv/page_pool.h"

namespace wring {
namespace {

// Slabs that 64 tokens of `layers` layers take, in groups of `group`.
double SlabsPerBlock(uint32_t layers, uint32_t group, uint64_t layer_bytes) {
  const auto slabs = [&](uint32_t n) {
    return n == 0 ? 0.0 : 1.0 / static_cast<double>(kSlabBytes / (n * layer_bytes));
  };
  return layers / group * slabs(group) + slabs(layers % group);
}

// The group size that wastes least; a larger one only when it gains 1 %, since small blocks are shared and given back
// more finely.
uint32_t BestGroup(uint32_t layers, uint64_t layer_bytes) {
  uint32_t best = 1;
  for (uint32_t g = 2; g <= layers && g * layer_bytes <= kSlabBytes; ++g) {
    if (SlabsPerBlock(layers, g, layer_bytes) < 0.99 * SlabsPerBlock(layers, best, layer_bytes)) {
      best = g;
    }
  }
  return best;
}

}  // namespace

Result<KvLayout> KvLayout::For(CodecId codec, uint32_t kv_heads, uint32_t head_dim,
                               std::span<const uint32_t> windows, uint32_t first) {
  KvLayout l;
  l.codec = codec;
  l.kv_heads = kv_heads;
  l.head_dim = head_dim;
  l.head_bytes = Codec(codec).head_bytes(head_dim);
  l.layer_bytes = Codec(codec).layer_bytes(kv_heads, head_dim);
  if (l.layer_bytes > kSlabBytes) {
    return Error(
        Code::kUnsupported,
        "{} KV heads of {} channels in {} need {} bytes a layer and block, more than a slab of "
        "{}: choose a smaller KV codec",
        kv_heads, head_dim, Codec(codec).name, l.layer_bytes, kSlabBytes);
  }
  std::map<uint32_t, std::vector<uint32_t>> by_window;
  for (uint32_t layer = first; layer < windows.size(); ++layer) {
    by_window[windows[layer]].push_back(layer);
  }
  l.places.resize(windows.size());
  for (const auto& [window, layers] : by_window) {
    const auto count = static_cast<uint32_t>(layers.size());
    const uint32_t group = BestGroup(count, l.layer_bytes);
    for (uint32_t i = 0; i < count; ++i) {
      if (i % group == 0) l.groups.push_back({window, 0, 0});
      l.places[layers[i]] = {static_cast<uint32_t>(l.groups.size() - 1), i % group};
      ++l.groups.back().layers;
      l.groups.back().block_bytes += l.layer_bytes;
    }
  }
  return l;
}

KvLayout KvLayout::Image(std::span<const uint32_t> windows, uint32_t first, uint64_t* scale) const {
  KvLayout image = *this;
  image.places.assign(windows.size(), {});
  for (KvGroup& g : image.groups) g.layers = 0;
  for (uint32_t layer = 0; layer < first; ++layer) {
    // The emptiest group of its window.
    size_t best = groups.size();
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].window != windows[layer]) continue;
      if (best == groups.size() || image.groups[g].layers < image.groups[best].layers) best = g;
    }
    assert(best < groups.size());
    image.places[layer] = {static_cast<uint32_t>(best), image.groups[best].layers++};
  }
  *scale = 1;
  for (size_t g = 0; g < groups.size(); ++g) {
    image.groups[g].block_bytes = image.groups[g].layers * layer_bytes;
    *scale = std::max(*scale, CeilDiv(image.groups[g].block_bytes, groups[g].block_bytes));
  }
  return image;
}

uint64_t KvLayout::pool_bytes(uint64_t tokens) const {
  const uint64_t blocks = CeilDiv<uint64_t>(tokens, kBlockTokens);
  std::map<uint64_t, uint64_t> by_size;
  for (const KvGroup& g : groups) by_size[g.block_bytes] += blocks;
  uint64_t slabs = 0;
  for (const auto& [bytes, count] : by_size) slabs += CeilDiv(count, kSlabBytes / bytes);
  return slabs * kSlabBytes;
}

}  // namespace wring
