// What the kernels of one step must know, built on the host from the step and copied to the GPU in one piece: what each
// row is, where each sequence's blocks are, and how attention is cut into items.
#pragma once

#include <bitset>
#include <vector>

#include "kernels/cuda/kernels.h"
#include "kv/layout.h"
#include "model/model_spec.h"
#include "model/step.h"

namespace wring {

class StepTables {
 public:
  // One attention plan a codec and window that occur.
  struct Plan {
    CodecId codec = CodecId::kF16;
    uint32_t window = 0;
    std::vector<cuda::AttendItem> items;
    std::vector<cuda::AttendItem> wide;  // of AttendWide or AttendMany, the longest first
    uint32_t vectors = 0;                // of partials
    uint32_t chunk_blocks = cuda::kChunkBlocks;
  };

  // `wide`: codecs that have AttendWide, or AttendMany where it is fixed: chunks are the same whatever the step (the
  // invariant grade).
  StepTables(const ModelSpec& spec, uint32_t multiprocessors, const std::bitset<kCodecCount>& wide,
             bool fixed);

  // kUnsupported for what no kernel does.
  Status Build(const Step& step);

  std::vector<int32_t> token;
  std::vector<uint32_t> position, sequence, selected;  // selected[slot]: its row
  // Of each codec: where its sequences' offsets begin, and the offsets.
  struct Blocks {
    std::vector<uint32_t> first;
    std::vector<uint64_t> offsets;
    bool used = false;
  };
  Blocks blocks[kCodecCount];
  std::vector<Plan> plans;
  bool fused = false;  // every sequence has so few rows that attention writes the cache on its way

 private:
  Status AddBlocks(const Step& step);
  void PlanAttention(const Step& step, Plan* plan);
  // Vectors first .. first + count - 1 of a sequence's rows from `row` on, over all blocks that they see.
  cuda::AttendItem ItemOf(const Step& step, uint32_t window, uint32_t row, uint32_t rows,
                          uint32_t first, uint32_t count) const;
  void SplitTiles(Plan* plan) const;
  bool IsWide(uint32_t vectors) const;

  const ModelSpec& spec_;
  uint32_t multiprocessors_;
  std::bitset<kCodecCount> wide_;
  bool fixed_;
  std::vector<uint32_t> windows_;  // that occur
};

}  // namespace wring
