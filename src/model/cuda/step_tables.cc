#include "model/cuda/step_tables.h"

#include <algorithm>
#include <cmath>

namespace wring {

namespace {

constexpr uint32_t kTile = 16;       // query vectors an item
constexpr uint32_t kMostParts = 32;  // blocks that are merged one by one

// Chunks that an item should have: that with which rounds of items over `slots` places end first, where an item costs as
// much as its chunks and some more to begin and to leave a partial, and places do not end together.
uint32_t BestSpan(const std::vector<cuda::AttendItem>& tiles, uint32_t heads, uint32_t slots) {
  constexpr double kWhole = 0.25, kPart = 0.75;  // in chunks
  const auto chunks = [](const cuda::AttendItem& t) {
    return (t.block + t.blocks - 1) / cuda::kChunkBlocks - t.block / cuda::kChunkBlocks + 1;
  };
  uint32_t most = 1;
  for (const auto& t : tiles) most = std::max(most, chunks(t));
  uint32_t best = most;
  double least = 1e30;
  for (uint32_t span = 1;; span = std::min(most, span + (span + 2) / 3)) {
    uint64_t items = 0;
    for (const auto& t : tiles) items += (chunks(t) + span - 1) / span;
    const double rounds = std::max(1.0, std::ceil(static_cast<double>(items * heads) / slots));
    const double cost = (rounds + 0.5) * (span + (span == most ? kWhole : kPart));
    if (cost < least) {
      least = cost;
      best = span;
    }
    if (span == most) return best;
  }
}

}  // namespace

StepTables::StepTables(const ModelSpec& spec, uint32_t slots, const std::bitset<kCodecCount>& wide)
    : spec_(spec), slots_(slots), wide_(wide), windows_(spec.layer_windows()) {
  std::sort(windows_.begin(), windows_.end());
  windows_.erase(std::unique(windows_.begin(), windows_.end()), windows_.end());
}

Status StepTables::Build(const Step& step) {
  token.clear();
  position.clear();
  sequence.clear();
  selected.clear();
  for (uint32_t r = 0; r < step.rows.size(); ++r) {
    const StepRow& row = step.rows[r];
    token.push_back(row.token);
    position.push_back(row.position);
    sequence.push_back(row.sequence);
    if (row.sampling_slot < 0) continue;
    const auto slot = static_cast<uint32_t>(row.sampling_slot);
    if (selected.size() <= slot) selected.resize(slot + 1);
    selected[slot] = r;
  }
  WRING_TRY(AddBlocks(step));
  fused = true;
  uint32_t run = 0;  // rows of a sequence
  for (uint32_t r = 0; r < step.rows.size(); ++r) {
    run = r > 0 && sequence[r] == sequence[r - 1] ? run + 1 : 1;
    fused = fused && run <= cuda::kFusedRows;
  }
  size_t used = 0;
  for (size_t c = 0; c < kCodecCount; ++c) {
    if (!blocks[c].used) continue;
    for (const uint32_t window : windows_) {
      if (plans.size() <= used) plans.emplace_back();
      Plan& p = plans[used++];
      p.codec = static_cast<CodecId>(c);
      p.window = window;
      PlanAttention(step, &p);
    }
  }
  plans.resize(used);
  return {};
}

Status StepTables::AddBlocks(const Step& step) {
  for (Blocks& b : blocks) {
    b.first.assign(step.sequences.size(), cuda::kNotThisCodec);
    b.offsets.clear();
    b.used = false;
  }
  for (size_t s = 0; s < step.sequences.size(); ++s) {
    const auto& segments = step.sequences[s].segments;
    if (segments.empty()) continue;
    const CodecId codec = segments[0].codec;
    Blocks& b = blocks[static_cast<size_t>(codec)];
    b.used = true;
    b.first[s] = static_cast<uint32_t>(b.offsets.size());
    for (const KvSegment& segment : segments) {
      if (segment.codec != codec || !segment.causal) {
        return Error(
            Code::kUnsupported,
            "segments of several codecs in one sequence have no GPU kernel: use --device cpu");
      }
      b.offsets.insert(b.offsets.end(), segment.blocks.begin(), segment.blocks.end());
    }
  }
  return {};
}

cuda::AttendItem StepTables::ItemOf(const Step& step, uint32_t window, uint32_t row, uint32_t rows,
                                    uint32_t first, uint32_t count) const {
  const uint32_t group = spec_.group();
  cuda::AttendItem item;
  item.sequence = step.rows[row].sequence;
  item.first_row = row;
  item.rows = rows;
  item.first = first;
  item.count = count;
  // Rows are in order of positions: the first sees furthest back, the last furthest on.
  const uint32_t nearest = step.rows[row + first / group].position + 1;
  const uint32_t begin = window != 0 && nearest > window ? nearest - window : 0;
  const uint32_t last = step.rows[row + (first + count - 1) / group].position;
  item.block = begin / kBlockTokens;
  item.blocks = last / kBlockTokens + 1 - item.block;
  item.origin = item.block;
  return item;
}

void StepTables::PlanAttention(const Step& step, Plan* plan) {
  const auto codec = static_cast<size_t>(plan->codec);
  plan->items.clear();
  plan->wide.clear();
  plan->tiles = plan->vectors = 0;
  const auto rows = static_cast<uint32_t>(step.rows.size());
  for (uint32_t r = 0; r < rows;) {
    uint32_t end = r;
    while (end < rows && step.rows[end].sequence == step.rows[r].sequence) ++end;
    if (blocks[codec].first[step.rows[r].sequence] != cuda::kNotThisCodec) {
      const uint32_t vectors = (end - r) * spec_.group();
      const bool wide = wide_[codec] && !fused && vectors >= cuda::kWideVectors;
      const uint32_t tile = wide ? cuda::kWideVectors : kTile;
      for (uint32_t first = 0; first < vectors; first += tile) {
        (wide ? plan->wide : plan->items)
            .push_back(
                ItemOf(step, plan->window, r, end - r, first, std::min(tile, vectors - first)));
      }
    }
    r = end;
  }
  std::stable_sort(plan->wide.begin(), plan->wide.end(),
                   [](const auto& a, const auto& b) { return a.blocks > b.blocks; });
  SplitTiles(plan);
}

// An item is some chunks of a tile, as many as fill the GPU best, or a block where chunks are too few.
void StepTables::SplitTiles(Plan* plan) const {
  std::vector<cuda::AttendItem> tiles;
  tiles.swap(plan->items);
  uint32_t all = 0;  // blocks
  uint32_t most = 0;
  for (const cuda::AttendItem& t : tiles) {
    all += t.blocks;
    most = std::max(most, t.blocks);
  }
  const bool by_block = all * spec_.kv_heads <= slots_ && most <= kMostParts;
  const uint32_t part = by_block ? 1 : cuda::kChunkBlocks;
  const uint32_t span = by_block ? 1 : part * BestSpan(tiles, spec_.kv_heads, slots_);
  for (cuda::AttendItem item : tiles) {
    const uint32_t first = item.block / part;
    const uint32_t end = item.block + item.blocks;
    const uint32_t parts = (end - 1) / part - first + 1;
    item.of_chunks = by_block ? 0 : 1;
    item.parts = parts * part <= span ? 1 : parts;
    if (item.parts > 1) {
      item.tile = plan->tiles++;
      item.partial = plan->vectors;
      plan->vectors += item.parts * item.count;
    }
    for (uint32_t b = item.block; b < end;) {
      const uint32_t next = item.parts == 1 ? end : std::min(end, (b / part) * part + span);
      item.part = b / part - first;
      item.block = b;
      item.blocks = next - b;
      plan->items.push_back(item);
      b = next;
    }
  }
}

}  // namespace wring
