// What a processor's attention does for a step beside the operations that count: how it is cut into tiles (kernels/cpu/attend.h,
// model/cpu/attend_plan.h), what a tile computes without using it, and how often it begins to read.
#pragma once

#include <algorithm>

#include "analyze/workload.h"
#include "base/checked.h"
#include "kv/codec/codec.h"
#include "model/model_spec.h"

namespace wring::analyze {

struct AttendWork {
  double multiplies = 0;  // multiply-adds, those of keys that a tile's other queries see as well
  // Operations of as many keys' weights as a block has, for each query and block: an exponential and what is around it are
  // some thirty-six instructions that could each have been a multiply-add. Fitted beside the products they are not told apart.
  double weights = 0;
  double units = 0;   // tiles of queries of one head of keys
  double blocks = 0;  // of all units
  // Runs over the panels of blocks that earlier steps wrote, by the first tile that reads them: each begins with a wait for
  // memory, which is longer than reading its few kilobytes takes. Later tiles find them near.
  double passes = 0;
  // Elements that other threads wrote just before: of queries, and of keys and values where a sequence's first tile reads
  // positions of this step.
  double elements = 0;
  // Positions that the step itself writes, as a share of those that it reads.
  double fresh = 0;
  // So little that one thread does it.
  bool serial = false;
};

// Of a layer that sees `window` positions (0: all), on the best instruction set here.
AttendWork AttendWorkOf(const ModelSpec& spec, const Workload& work, const KvCodec& codec,
                        uint32_t window);

// Calls see(begin, end) with the positions that each `tile` query vectors of a KV head see together, in order.
template <typename See>
void ForTiles(const ModelSpec& spec, const SequenceWork& s, uint32_t window, uint64_t tile,
              const See& see) {
  const uint64_t group = spec.group();
  const uint64_t all = uint64_t{s.cached} + s.rows;
  for (uint64_t at = 0; at < s.rows * group; at += tile) {
    const uint64_t first = s.cached + at / group;
    const uint64_t end =
        spec.causal ? std::min(all, s.cached + CeilDiv<uint64_t>(at + tile, group)) : all;
    see(window != 0 && first + 1 > window ? first + 1 - window : 0, end);
  }
}

}  // namespace wring::analyze
