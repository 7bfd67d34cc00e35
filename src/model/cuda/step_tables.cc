#include "model/cuda/step_tables.h"

#include <algorithm>

#include "base/checked.h"

namespace wring {

namespace {

struct Cut {
  double cost;
  uint32_t span;  // units an item
};

// How many units of `blocks` blocks an item should have. Time is counted in chunks at a multiprocessor's share of the memory:
// all of them take as long as their bytes, but one item alone, or several on one multiprocessor, at most so much less; then
// parts are folded one after the other, the more vectors the slower.
Cut BestCut(const std::vector<cuda::AttendItem>& tiles, uint32_t blocks, uint32_t heads,
            uint32_t multiprocessors) {
  constexpr double kAlone = 0.73, kTogether = 0.55, kUneven = 0.25;
  constexpr double kItem = 0.3, kMerge = 0.5, kPart = 0.01;
  const uint32_t chunks = blocks / cuda::kChunkBlocks;
  const auto units = [](const cuda::AttendItem& t, uint32_t size) {
    return (t.block + t.blocks - 1) / size - t.block / size + 1;
  };
  uint32_t most = 1;
  uint32_t vectors = 1;
  double all = 0;  // chunks a multiprocessor
  for (const auto& t : tiles) {
    most = std::max(most, units(t, blocks));
    vectors = std::max(vectors, t.count);
    all += units(t, cuda::kChunkBlocks);
  }
  all *= static_cast<double>(heads) / multiprocessors;
  Cut best = {1e30, most};
  for (uint32_t cuts = 1;; cuts = std::min(most, cuts + 1 + cuts / 16)) {
    const uint32_t span = CeilDiv(most, cuts);
    uint64_t items = 0;
    for (const auto& t : tiles) items += CeilDiv(units(t, blocks), span);
    items *= heads;
    const auto rounds = static_cast<double>(CeilDiv<uint64_t>(items, multiprocessors));
    const double one = rounds * span * chunks;
    const double cost = std::max(all, one * (rounds > 1 ? kTogether : kAlone)) +
                        kUneven * std::max(0.0, one - all) +
                        kItem * static_cast<double>(items) / multiprocessors +
                        (cuts == 1 ? 0 : kMerge + kPart * vectors * most);
    if (cost < best.cost) best = {cost, span};
    if (cuts == most) return best;
  }
}

// Contexts so short that small chunks are all computed at once.
bool Short(const std::vector<cuda::AttendItem>& tiles, uint32_t heads, uint32_t multiprocessors) {
  constexpr uint32_t kMostParts = 16;
  uint64_t chunks = 0;
  for (const auto& t : tiles) {
    if (t.blocks > kMostParts * cuda::kSmallChunkBlocks) return false;
    chunks += CeilDiv(t.blocks, cuda::kSmallChunkBlocks);
  }
  return chunks * heads <= 2 * multiprocessors;
}

}  // namespace

StepTables::StepTables(const ModelSpec& spec, uint32_t multiprocessors,
                       const std::bitset<kCodecCount>& wide, bool fixed)
    : spec_(spec),
      multiprocessors_(multiprocessors),
      wide_(wide),
      fixed_(fixed),
      windows_(spec.layer_windows()) {
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

// Items of so many vectors are not cut along their positions. In the invariant grade that does not pay where they are few.
bool StepTables::IsWide(uint32_t vectors) const {
  if (!fixed_) return vectors >= cuda::kWideVectors;
  return CeilDiv(vectors, cuda::kManyVectors) * spec_.kv_heads >= multiprocessors_;
}

void StepTables::PlanAttention(const Step& step, Plan* plan) {
  const auto codec = static_cast<size_t>(plan->codec);
  plan->items.clear();
  plan->wide.clear();
  plan->vectors = 0;
  const auto rows = static_cast<uint32_t>(step.rows.size());
  for (uint32_t r = 0; r < rows;) {
    uint32_t end = r;
    while (end < rows && step.rows[end].sequence == step.rows[r].sequence) ++end;
    if (blocks[codec].first[step.rows[r].sequence] != cuda::kNotThisCodec) {
      const uint32_t vectors = (end - r) * spec_.group();
      const bool wide = wide_[codec] && !fused && IsWide(vectors);
      const uint32_t tile = !wide    ? cuda::AttendVectors(KvCodec::PaddedHead(spec_.head_dim))
                            : fixed_ ? cuda::kManyVectors
                                     : cuda::kWideVectors;
      for (uint32_t first = 0; first < vectors; first += tile) {
        (wide ? plan->wide : plan->items)
            .push_back(
                ItemOf(step, plan->window, r, end - r, first, std::min(tile, vectors - first)));
      }
    }
    r = end;
  }
  // Long ones begin first: nobody should wait for one that began last.
  for (auto* tiles : {&plan->wide, &plan->items}) {
    std::stable_sort(tiles->begin(), tiles->end(),
                     [](const auto& a, const auto& b) { return a.blocks > b.blocks; });
  }
  SplitTiles(plan);
}

// An item is a small chunk of a short tile; or some chunks, as many as fill the GPU best, or some spans, of which fewer
// parts are left.
void StepTables::SplitTiles(Plan* plan) const {
  std::vector<cuda::AttendItem> tiles;
  tiles.swap(plan->items);
  const bool is_short = !fixed_ && Short(tiles, spec_.kv_heads, multiprocessors_);
  plan->chunk_blocks = is_short ? cuda::kSmallChunkBlocks : cuda::kChunkBlocks;
  uint32_t unit = cuda::kSmallChunkBlocks;
  uint32_t span = unit;
  if (!is_short) {
    const auto cut = [&](uint32_t of_unit) {
      return BestCut(tiles, of_unit, spec_.kv_heads, multiprocessors_);
    };
    const Cut chunks = cut(cuda::kChunkBlocks);
    const Cut spans = cut(cuda::kSpanBlocks);
    const bool by_chunk = chunks.cost < spans.cost;
    unit = by_chunk ? cuda::kChunkBlocks : cuda::kSpanBlocks;
    span = unit * (by_chunk ? chunks : spans).span;
  }
  for (cuda::AttendItem item : tiles) {
    const uint32_t first = item.block / unit;
    const uint32_t end = item.block + item.blocks;
    const uint32_t parts = (end - 1) / unit - first + 1;
    item.unit = unit;
    item.parts = parts * unit <= span ? 1 : parts;
    if (item.parts > 1) {
      item.partial = plan->vectors;
      plan->vectors += item.parts * item.count;
    }
    for (uint32_t b = item.block; b < end;) {
      const uint32_t next = item.parts == 1 ? end : std::min(end, b / unit * unit + span);
      item.part = b / unit - first;
      item.block = b;
      item.blocks = next - b;
      plan->items.push_back(item);
      b = next;
    }
  }
}

}  // namespace wring
