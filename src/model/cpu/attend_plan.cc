#include "model/cpu/attend_plan.h"

#include <algorithm>

#include "base/checked.h"
#include "base/touched.h"

namespace wring {
namespace {

// Positions [first, second) that the row's queries see.
std::pair<uint32_t, uint32_t> VisibleTo(const ModelSpec& spec, const Step& step, uint32_t layer,
                                        const StepRow& row) {
  if (!spec.causal) {
    const KvSegment& last = step.sequences[row.sequence].segments.back();
    return {0, last.base + last.length};
  }
  const uint32_t window = spec.layer_window(layer);
  const uint32_t end = row.position + 1;
  return {window != 0 && end > window ? end - window : 0, end};
}

}  // namespace

std::vector<AttendUnit> PlanAttention(const ModelSpec& spec, const Step& step, uint32_t layer) {
  std::vector<AttendUnit> units;
  for (uint32_t r = 0; r < step.rows.size();) {
    uint32_t end = r;
    while (end < step.rows.size() && step.rows[end].sequence == step.rows[r].sequence) ++end;
    const uint32_t vectors = (end - r) * spec.group();
    for (uint32_t first = 0; first < vectors; first += cpu::kAttendTile) {
      AttendUnit unit;
      unit.sequence = step.rows[r].sequence;
      unit.first = first;
      unit.count = std::min(cpu::kAttendTile, vectors - first);
      unit.first_row = r;
      const uint32_t last_row = r + (first + unit.count - 1) / spec.group();
      // Rows are in order of positions: the first sees furthest back, the last furthest on.
      unit.first_block =
          VisibleTo(spec, step, layer, step.rows[r + first / spec.group()]).first / kBlockTokens;
      const uint32_t seen = VisibleTo(spec, step, layer, step.rows[last_row]).second;
      unit.blocks = CeilDiv(seen, kBlockTokens) - unit.first_block;
      for (unit.kv_head = 0; unit.kv_head < spec.kv_heads; ++unit.kv_head) units.push_back(unit);
    }
    r = end;
  }
  return units;
}

uint32_t AttendRunner::Head(const AttendUnit& unit, uint32_t n) const {
  const uint32_t g = (unit.first + n) % spec_.group();
  return spec_.head_mapping == HeadMapping::kGrouped ? unit.kv_head * spec_.group() + g
                                                     : g * spec_.kv_heads + unit.kv_head;
}

void AttendRunner::Queries::Gather(const AttendRunner& runner, const AttendUnit& unit,
                                   const float* q, uint64_t q_stride) {
  if (unit_ == &unit) return;
  unit_ = &unit;
  const uint32_t head_dim = runner.spec_.head_dim;
  for (uint32_t n = 0; n < unit.count; ++n) {
    const float* head = q + runner.Row(unit, n) * q_stride + runner.Head(unit, n) * head_dim;
    WRING_TOUCHES(kIn, head, head_dim * sizeof(float));
    for (uint32_t d = 0; d < head_dim; ++d) tile_[d * unit.count + n] = head[d];
  }
}

void AttendRunner::Block(const AttendUnit& unit, uint32_t block, const Queries& queries,
                         float* partial) const {
  // Segments are in order of positions and begin at block borders.
  const auto& segments = step_.sequences[unit.sequence].segments;
  block += unit.first_block;
  size_t s = 0;
  while (s + 1 < segments.size() && segments[s + 1].base <= block * kBlockTokens) ++s;
  const uint32_t in_segment = block - segments[s].base / kBlockTokens;

  uint32_t begin[cpu::kAttendTile];
  uint32_t end[cpu::kAttendTile];
  for (uint32_t n = 0; n < unit.count; ++n) {
    const auto [from, to] = VisibleTo(spec_, step_, layer_, step_.rows[Row(unit, n)]);
    const uint32_t base = block * kBlockTokens;
    end[n] = to > base ? std::min(to - base, kBlockTokens) : 0;
    begin[n] = from > base ? std::min(from - base, end[n]) : 0;
  }
  cpu::AttendBlockArgs args;
  const KvLayout& kv = layouts_.of(segments[s].codec);
  args.keys = pool_.at(kv.keys_at(segments[s], in_segment, layer_, unit.kv_head));
  args.values = pool_.at(kv.values_at(segments[s], in_segment, layer_, unit.kv_head));
  args.head_dim = spec_.head_dim;
  args.q = queries.tile_;
  args.count = unit.count;
  args.begin = begin;
  args.end = end;
  args.scale = spec_.attention_scale;
  args.softcap = spec_.attention_softcap;
  args.max = partial;
  args.sum = partial + cpu::kAttendTile;
  args.out = partial + 2 * cpu::kAttendTile;
  kernels_.attend[static_cast<size_t>(kv.codec)].block(args);
}

void AttendRunner::Merge(const AttendUnit& unit, float* partial, const float* later) const {
  // Partials are float32 whatever the codec.
  kernels_.attend[0].merge(unit.count, padded_, partial, partial + cpu::kAttendTile,
                           partial + 2 * cpu::kAttendTile, later, later + cpu::kAttendTile,
                           later + 2 * cpu::kAttendTile);
}

void AttendRunner::Store(const AttendUnit& unit, const float* partial, float* out,
                         uint64_t out_stride) const {
  const float* sum = partial + cpu::kAttendTile;
  for (uint32_t n = 0; n < unit.count; ++n) {
    const float* from = partial + 2 * cpu::kAttendTile + size_t{n} * padded_;
    float* to = out + Row(unit, n) * out_stride + Head(unit, n) * spec_.head_dim;
    const float inverse = 1.0F / sum[n];
    WRING_TOUCHES(kOut, to, spec_.head_dim * sizeof(float));
    for (uint32_t d = 0; d < spec_.head_dim; ++d) to[d] = from[d] * inverse;
  }
}

}  // namespace wring
