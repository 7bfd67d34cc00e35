// Tensor parallelism (Shoeybi et al. 2019): which part of every layer a rank computes.
//
// Heads go to ranks by KV group, so that a rank's queries find their keys in its own cache; where there are more ranks
// than KV heads, a KV head is kept by several ranks and its queries are shared out among them. The gated width is cut in
// blocks. The two products that follow, of attention and of the gated width, are joined in one of two ways:
//
//   gather  each rank takes every input and computes some outputs. No dot product is cut, so the bits are those of one
//           rank whatever the number of ranks (contract 7, invariant).
//   reduce  each rank takes its own inputs and the ranks' sums are added: half as many meetings, other bits.
#pragma once

#include <cstdint>
#include <vector>

namespace wring {

struct Range {
  uint32_t first = 0, count = 0;
  uint32_t end() const { return first + count; }
  bool operator==(const Range&) const = default;
};

struct Sharding {
  uint32_t rank = 0;
  // What every rank computes, by rank; empty in an undivided model.
  std::vector<Range> heads, kv_heads, ffn, hidden, outputs;
  bool reduce_attention = false, reduce_ffn = false;

  bool divided() const { return heads.size() > 1; }
  uint32_t ranks() const { return divided() ? static_cast<uint32_t>(heads.size()) : 1; }
};

}  // namespace wring
