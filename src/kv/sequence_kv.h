// The cache of one sequence: an ordered list of segments over pool blocks (contract 6).
#pragma once

#include <cstdint>
#include <vector>

#include "kv/codec/codec.h"
#include "kv/page_pool.h"
#include "model/step.h"

namespace wring {

// How a model's layers are cut into groups so that a block of kBlockTokens tokens x a group of layers
// fills slabs well.
struct KvLayout {
  CodecId codec = CodecId::kF16;
  uint32_t layers = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t group_layers = 0;  // layers a block; the last group may hold fewer
  uint32_t groups = 0;
  uint64_t layer_bytes = 0;
  uint64_t block_bytes = 0;

  // kUnsupported when 64 tokens of one layer do not fit in a slab.
  static Result<KvLayout> For(CodecId codec, uint32_t layers, uint32_t kv_heads, uint32_t head_dim);
  uint64_t bytes_per_token() const { return layers * layer_bytes / kBlockTokens; }
  // Pool bytes, whole slabs, that hold `tokens` positions of one sequence.
  uint64_t pool_bytes(uint64_t tokens) const;

  // Offsets in the pool of the keys and values of (layer, KV head) in block `block` of a segment.
  uint64_t keys_at(const KvSegment& s, uint32_t block, uint32_t layer, uint32_t head) const {
    return s.blocks[block * groups + layer / group_layers] + layer % group_layers * layer_bytes +
           head * Codec(codec).head_bytes(head_dim);
  }
  uint64_t values_at(const KvSegment& s, uint32_t block, uint32_t layer, uint32_t head) const {
    return keys_at(s, block, layer, kv_heads + head);
  }
};

class SequenceKv {
 public:
  SequenceKv(PagePool* pool, const KvLayout& layout) : pool_(pool), layout_(layout) {}

  uint32_t length() const { return length_; }
  // Makes room for positions [0, length); nothing changes when the pool is full.
  Status Extend(uint32_t length);
  // Forgets positions >= length.
  void Truncate(uint32_t length);
  // The segments as a step names them.
  StepSequence View() const;

 private:
  PagePool* pool_;
  KvLayout layout_;
  uint32_t length_ = 0;
  std::vector<BlockHandle> blocks_;  // [block][group]
};

}  // namespace wring
