// A step: what one pass through the model computes, as a plain value (contract 2). It can be logged,
// replayed, sent to ranks, or built for step n + 1 while n runs. It names memory only by pool offsets.
#pragma once

#include <cstdint>
#include <vector>

#include "kv/codec/codec.h"

namespace wring {

inline constexpr int32_t kNoIndex = -1;

// One token to compute.
struct StepRow {
  uint32_t sequence = 0;  // index into Step::sequences
  uint32_t position = 0;  // absolute; slot in the cache follows from the segments
  int32_t token = 0;
  uint16_t depth = 0;  // iteration over shared layers; 0 in a plain model
  int32_t adapter = kNoIndex;
  int32_t sampling_slot = kNoIndex;  // row of the logits output, or kNoIndex when nobody needs them
};

// A run of cached positions in one codec. Blocks are kBlockTokens positions each; block b of layer
// group g is blocks[b * groups + g], a byte offset into the page pool, or kNoBlock (kv/layout.h).
struct KvSegment {
  CodecId codec = CodecId::kF16;
  uint32_t base = 0;    // position of the first slot; a multiple of kBlockTokens
  uint32_t length = 0;  // positions held once this step's rows are written
  bool causal = true;
  std::vector<uint64_t> blocks;
};

struct StepSequence {
  std::vector<KvSegment> segments;  // in order of positions
};

// Rows of one sequence are neighbours, in order of positions.
struct Step {
  std::vector<StepRow> rows;
  std::vector<StepSequence> sequences;
};

}  // namespace wring
