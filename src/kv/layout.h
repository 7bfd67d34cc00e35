// How a model's cache is cut into pool blocks: a block is kBlockTokens tokens x a group of layers of equal window.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "kv/codec/codec.h"
#include "model/step.h"

namespace wring {

// The offset of a block that was given back: its positions lie before the window of its layers.
inline constexpr uint64_t kNoBlock = UINT64_MAX;

struct KvGroup {
  uint32_t window = 0;  // positions that its layers see; 0: all
  uint32_t layers = 0;
  uint64_t block_bytes = 0;
};

struct KvLayout {
  struct Place {
    uint32_t group, index;  // of a layer: its group, and where in the group's blocks
  };
  CodecId codec = CodecId::kF16;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint64_t head_bytes = 0;   // keys (or values) of one head in a block
  uint64_t layer_bytes = 0;  // one layer in a block
  std::vector<KvGroup> groups;
  std::vector<Place> places;  // [layer]

  // `windows`: one a layer, 0 where it sees everything. Groups are cut so that their blocks fill slabs well. Layers before
  // `first` have no place. kUnsupported when 64 tokens of one layer do not fit in a slab.
  static Result<KvLayout> For(CodecId codec, uint32_t kv_heads, uint32_t head_dim,
                              std::span<const uint32_t> windows, uint32_t first = 0);
  // A layout for the layers before `first` in another memory, which has a block for each of this layout's blocks: that at
  // offset o of the pool stands at o * scale there. Every window of those layers must be one of a group's.
  KvLayout Image(std::span<const uint32_t> windows, uint32_t first, uint64_t* scale) const;

  uint64_t bytes_per_token() const {
    uint64_t bytes = 0;
    for (const KvGroup& g : groups) bytes += g.block_bytes;
    return bytes / kBlockTokens;
  }
  // Pool bytes, whole slabs, that hold `tokens` positions of one sequence with nothing given back.
  uint64_t pool_bytes(uint64_t tokens) const;

  // Offsets in the pool of the keys and values of (layer, KV head) in block `block` of a segment.
  uint64_t keys_at(const KvSegment& s, uint32_t block, uint32_t layer, uint32_t head) const {
    const Place place = places[layer];
    return s.blocks[block * groups.size() + place.group] + place.index * layer_bytes +
           head * head_bytes;
  }
  uint64_t values_at(const KvSegment& s, uint32_t block, uint32_t layer, uint32_t head) const {
    return keys_at(s, block, layer, kv_heads + head);
  }
};

// The layouts of the codecs that may meet in one step.
class KvLayouts {
 public:
  KvLayouts() = default;
  explicit KvLayouts(KvLayout one) { Add(std::move(one)); }
  void Add(KvLayout layout) { of_[static_cast<size_t>(layout.codec)] = std::move(layout); }
  bool has(CodecId codec) const { return of_[static_cast<size_t>(codec)].has_value(); }
  const KvLayout& of(CodecId codec) const { return *of_[static_cast<size_t>(codec)]; }

 private:
  std::array<std::optional<KvLayout>, kCodecCount> of_;
};

}  // namespace wring
