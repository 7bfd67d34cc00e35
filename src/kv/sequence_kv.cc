#include "kv/sequence_kv.h"

#include <algorithm>

#include "base/checked.h"

namespace wring {

Result<KvLayout> KvLayout::For(CodecId codec, uint32_t layers, uint32_t kv_heads,
                               uint32_t head_dim) {
  KvLayout l;
  l.codec = codec;
  l.layers = layers;
  l.kv_heads = kv_heads;
  l.head_dim = head_dim;
  l.layer_bytes = Codec(codec).layer_bytes(kv_heads, head_dim);
  if (l.layer_bytes > kSlabBytes) {
    return Error(
        Code::kUnsupported,
        "{} KV heads of {} channels in {} need {} bytes a layer and block, more than a slab of "
        "{}: choose a smaller KV codec",
        kv_heads, head_dim, Codec(codec).name, l.layer_bytes, kSlabBytes);
  }
  // The bytes a token really takes: whole groups (the last is padded), over what slabs hold.
  double best = 0;
  for (uint32_t g = 1; g <= layers && g * l.layer_bytes <= kSlabBytes; ++g) {
    const uint64_t block = g * l.layer_bytes;
    const double packing = static_cast<double>(kSlabBytes / block * block) / kSlabBytes;
    const double padding = static_cast<double>(layers) / (CeilDiv(layers, g) * g);
    if (packing * padding > best + 0.01) {  // 1 %: fewer, larger blocks only when they gain
      best = packing * padding;
      l.group_layers = g;
    }
  }
  l.groups = CeilDiv(layers, l.group_layers);
  l.block_bytes = l.group_layers * l.layer_bytes;
  return l;
}

uint64_t KvLayout::pool_bytes(uint64_t tokens) const {
  const uint64_t blocks = CeilDiv<uint64_t>(tokens, kBlockTokens) * groups;
  return CeilDiv<uint64_t>(blocks, kSlabBytes / block_bytes) * kSlabBytes;
}

Status SequenceKv::Extend(uint32_t length) {
  const size_t before = blocks_.size();
  const size_t wanted = size_t{CeilDiv(length, kBlockTokens)} * layout_.groups;
  while (blocks_.size() < wanted) {
    auto block = pool_->Allocate(layout_.block_bytes, PoolOwner::kKvCache);
    if (!block.ok()) {
      blocks_.resize(before);
      return block.status();
    }
    blocks_.push_back(*std::move(block));
  }
  length_ = std::max(length_, length);
  return {};
}

void SequenceKv::Truncate(uint32_t length) {
  length_ = std::min(length_, length);
  blocks_.resize(size_t{CeilDiv(length_, kBlockTokens)} * layout_.groups);
}

StepSequence SequenceKv::View() const {
  KvSegment segment;
  segment.codec = layout_.codec;
  segment.length = length_;
  segment.blocks.reserve(blocks_.size());
  for (const auto& b : blocks_) segment.blocks.push_back(b.offset());
  return {{std::move(segment)}};
}

}  // namespace wring
