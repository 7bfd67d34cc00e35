#include "model/cpu/cpu_executor.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/touched.h"
#include "model/cpu/attend_plan.h"
#include "model/shard.h"

namespace wring {
namespace {

bool UsesInt8(const cpu::Kernels& k, const PackedMatrix& m, bool exact) {
  return !exact && k.linear[static_cast<size_t>(m.format->id())].int8 != nullptr;
}

}  // namespace

CpuExecutor::CpuExecutor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
                         PagePool& pool, ThreadPool& threads, const ExecutorOptions& options)
    : Executor(spec, weights, layouts, pool, options),
      threads_(threads),
      kernels_(options.kernels != nullptr ? *options.kernels : cpu::BestKernels()) {
  const uint32_t positions = options_.positions != 0 ? options_.positions : spec_.context;
  if (!spec_.rotary) return;
  for (const RopeSpec& r : spec_.ropes) {
    ropes_.push_back({FrequenciesOf(r, spec_.head_dim, positions), {}, {}});
  }
}

Result<std::unique_ptr<Executor>> CpuExecutor::Create(const ModelSpec& spec, const Weights& weights,
                                                      const KvLayouts& layouts, PagePool& pool,
                                                      ThreadPool& threads,
                                                      const ExecutorOptions& options) {
  std::unique_ptr<CpuExecutor> e(new CpuExecutor(spec, weights, layouts, pool, threads, options));
  WRING_TRY(e->CheckKernels(fmt::format("cpu/{}", e->kernels_.name), [&](const PackedMatrix& m) {
    return UsesInt8(e->kernels_, m, options.exact) ? Arithmetic::kInt8 : Arithmetic::kF32;
  }));
  WRING_TRY(e->Allocate());
  return std::unique_ptr<Executor>(std::move(e));
}

Status CpuExecutor::Allocate() {
  Device& host = HostDevice();
  const uint64_t rows = options_.max_rows;
  uint64_t widest = 0;
  uint64_t scratch = 0;
  for (const Op& op : ops_) {
    for (const LinearPart& p : op.parts) {
      const PackedMatrix& m = weights_.matrix(p.weight);
      widest = std::max<uint64_t>(widest, m.cols);
      scratch = std::max<uint64_t>(scratch, cpu::LinearScratchBytes(m.cols, m.panel_stride));
    }
  }
  for (size_t s = 1; s < kSlots; ++s) {
    if (static_cast<Slot>(s) == Slot::kLogits) continue;  // the caller's
    WRING_ASSIGN(slots_[s], host.Allocate(rows * stride(static_cast<Slot>(s)) * sizeof(float)));
  }
  const uint64_t values = rows * RoundUp<uint64_t>(widest, 32);
  WRING_ASSIGN(int8_q_, host.Allocate(values));
  WRING_ASSIGN(int8_scale_, host.Allocate(values / 32 * sizeof(float)));
  WRING_ASSIGN(int8_sum_, host.Allocate(values / 32 * sizeof(float)));
  WRING_ASSIGN(int8_isum_, host.Allocate(values / 16 * sizeof(int32_t)));
  WRING_ASSIGN(f32_tiles_, host.Allocate(values * sizeof(float)));
  for (size_t t = 0; t < threads_.threads(); ++t) {
    WRING_ASSIGN(Buffer b, host.Allocate(scratch));
    scratch_.push_back(std::move(b));
  }
  return {};
}

void CpuExecutor::Begin(const Step& step, float* logits) {
  assert(!step.rows.empty() && step.rows.size() <= options_.max_rows);
  rows_ = static_cast<uint32_t>(step.rows.size());
  selected_ = SelectedRows(step);
  logits_ = logits;
  BuildRopeTables(step);
}

Status CpuExecutor::Run(const Step& step, float* logits) {
  Begin(step, logits);
  for (const Op& op : ops_) {
    if (selected_ == 0 && op.kind == OpKind::kSelect) break;  // nobody wants logits
    if (IsCollective(op)) {
      WRING_TRY(Meet(op));
    } else {
      RunOp(op, step);
    }
  }
  return {};
}

// The ops run in order as in a step, so that caches hold what they would; medians of several steps after one that prepares,
// or the times of a single one.
Result<std::vector<Executor::OpTime>> CpuExecutor::TimeOps(const Step& step, int repeat) {
  using Clock = std::chrono::steady_clock;
  WRING_ASSIGN(Buffer logits, HostDevice().Allocate(std::max(SelectedRows(step), 1U) *
                                                    logits_stride() * sizeof(float)));
  std::vector<std::vector<double>> seconds(ops_.size());
  std::vector<touched::Bytes> touched(ops_.size());
  for (int i = 0; i <= repeat; ++i) {
    Begin(step, logits.as<float>());
    for (size_t o = 0; o < ops_.size(); ++o) {
      if (selected_ == 0 && ops_[o].kind == OpKind::kSelect) break;
      const auto start = Clock::now();
      if (IsCollective(ops_[o])) {
        WRING_TRY(Meet(ops_[o]));
      } else {
        RunOp(ops_[o], step);
      }
      if (i > 0 || repeat == 0)
        seconds[o].push_back(std::chrono::duration<double>(Clock::now() - start).count());
      if (touched::kCounted) touched[o] = touched::Collect();
    }
  }
  std::vector<OpTime> times;
  for (size_t o = 0; o < ops_.size(); ++o) {
    OpTime t;
    t.name = OpName(ops_[o].kind);
    t.count = 1;
    t.touched = touched[o];
    if (auto& s = seconds[o]; !s.empty()) {
      std::nth_element(s.begin(), s.begin() + static_cast<ptrdiff_t>(s.size() / 2), s.end());
      t.seconds = s[s.size() / 2];
    }
    times.push_back(std::move(t));
  }
  return times;
}

void CpuExecutor::RunOp(const Op& op, const Step& step) {
  switch (op.kind) {
    case OpKind::kEmbed: return Embed(op, step);
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm: return Norm(op);
    case OpKind::kHeadNorm: return HeadNorm(op);
    case OpKind::kLinear: return Linear(op);
    case OpKind::kRope: return Rope(op);
    case OpKind::kKvAppend: return Append(op, step);
    case OpKind::kAttend: return Attend(op, step);
    case OpKind::kSiluMul:
    case OpKind::kGeluMul:
    case OpKind::kGelu:
    case OpKind::kAdd: return Activate(op);
    case OpKind::kSoftCap: return SoftCap(op);
    case OpKind::kPool: return Pool(op, step);
    case OpKind::kSelect: return Select(op, step);
    case OpKind::kGather:
    case OpKind::kReduce: break;  // Meet
  }
}

// Slices travel packed: each rank's rows one after another without gaps.
Status CpuExecutor::Meet(const Op& op) {
  const uint32_t rows = RowsOf(op.out);
  const auto at = [&](Slot s) { return s == Slot::kLogits ? logits_ : slot(s); };
  const uint64_t ld = stride(op.out);
  float* out = at(op.out);
  if (op.kind == OpKind::kReduce) return options_.link->Sum({out, rows * ld});
  const std::vector<Range> slices = SlicesOf(spec_, op.out);
  const Range mine = slices[spec_.sharding.rank];
  const bool in_place = op.in == op.out;
  const float* from = at(op.in) + (in_place ? mine.first : 0);
  shown_.resize(uint64_t{rows} * mine.count);
  for (uint32_t r = 0; r < rows; ++r)
    std::copy_n(from + r * stride(op.in), mine.count, shown_.data() + uint64_t{r} * mine.count);
  std::vector<uint64_t> sizes;
  sizes.reserve(slices.size());
  for (Range s : slices) sizes.push_back(uint64_t{rows} * s.count * sizeof(float));
  seen_.resize(uint64_t{rows} * slices.back().end());
  WRING_TRY(options_.link->Gather(std::as_bytes(std::span(shown_)), sizes,
                                  std::as_writable_bytes(std::span(seen_))));
  const float* got = seen_.data();
  for (Range s : slices) {
    for (uint32_t r = 0; r < rows; ++r, got += s.count)
      std::copy_n(got, s.count, out + r * ld + s.first);
  }
  return {};
}

template <typename Make>
void CpuExecutor::ForTiles(uint32_t rows, uint32_t cols, const Make& make) {
  std::vector<uint32_t> tiles;  // first rows
  for (uint32_t r = 0; r < rows; r += cpu::TileRows(rows - r, kernels_.widest_tile))
    tiles.push_back(r);
  threads_.ParallelFor(tiles.size(), cpu::PrepareGrain(cols),
                       [&](size_t begin, size_t end, size_t) {
                         for (size_t t = begin; t < end; ++t)
                           make(tiles[t], cpu::TileRows(rows - tiles[t], kernels_.widest_tile));
                       });
}

void CpuExecutor::PrepareInt8(const float* in, uint64_t stride, uint32_t rows, uint32_t cols) {
  const uint64_t blocks = cols / cpu::kActBlock;
  ForTiles(rows, cols, [&](uint32_t r, uint32_t n) {
    const float* x[16];
    for (uint32_t i = 0; i < n; ++i) x[i] = in + (r + i) * stride;
    kernels_.elementwise.quantize_tile(
        x, n, cols, int8_q_.as<int8_t>() + uint64_t{r} * cols, int8_scale_.as<float>() + r * blocks,
        int8_sum_.as<float>() + r * blocks, int8_isum_.as<int32_t>() + 2 * r * blocks);
  });
}

void CpuExecutor::PrepareF32(const float* in, uint64_t stride, uint32_t rows, uint32_t cols) {
  ForTiles(rows, cols, [&](uint32_t r, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
      const float* row = in + (r + i) * stride;
      WRING_TOUCHES(kIn, row, cols * sizeof(float));
      float* to = f32_tiles_.as<float>() + uint64_t{r} * cols + i;
      for (uint32_t c = 0; c < cols; ++c) to[uint64_t{c} * n] = row[c];
    }
  });
}

void CpuExecutor::Linear(const Op& op) {
  const uint32_t rows = RowsOf(op.in);
  const uint32_t cols = weights_.matrix(op.parts[0].weight).cols;
  bool int8 = false;
  bool f32 = false;
  uint32_t panels = 0;
  for (const LinearPart& p : op.parts) {
    const PackedMatrix& m = weights_.matrix(p.weight);
    (UsesInt8(kernels_, m, options_.exact) ? int8 : f32) = true;
    panels += m.panel_count();
  }
  if (int8) PrepareInt8(slot(op.in), stride(op.in), rows, cols);
  if (f32) PrepareF32(slot(op.in), stride(op.in), rows, cols);

  const uint32_t row_block = cpu::RowBlock(cols);
  const uint64_t blocks = cols / cpu::kActBlock;
  for (uint32_t r0 = 0; r0 < rows; r0 += row_block) {
    const uint32_t n = std::min(row_block, rows - r0);
    const cpu::Int8Acts x8 = {n,
                              cols,
                              int8_q_.as<int8_t>() + uint64_t{r0} * cols,
                              int8_scale_.as<float>() + r0 * blocks,
                              int8_sum_.as<float>() + r0 * blocks,
                              int8_isum_.as<int32_t>() + 2 * r0 * blocks};
    const cpu::F32Acts x32 = {n, cols, f32_tiles_.as<float>() + uint64_t{r0} * cols};
    const uint64_t grain = 1 + kSerialWork / (uint64_t{16} * cols * n);
    threads_.ParallelFor(panels, grain, [&](size_t begin, size_t end, size_t thread) {
      size_t first = 0;  // of the part, among all panels
      for (const LinearPart& p : op.parts) {
        const PackedMatrix& m = weights_.matrix(p.weight);
        const size_t count = m.panel_count();
        const size_t from = std::max(begin, first);
        const size_t to = std::min(end, first + count);
        if (from < to) {
          cpu::LinearOutput out;
          out.ld = stride(p.out);
          out.y = (p.out == Slot::kLogits ? logits_ : slot(p.out)) + r0 * out.ld + p.first;
          out.bias = p.has_bias ? weights_.vector(p.bias) : nullptr;
          out.residual = op.add_to_out ? out.y : nullptr;
          const auto& k = kernels_.linear[static_cast<size_t>(m.format->id())];
          const auto b = static_cast<uint32_t>(from - first);
          const auto e = static_cast<uint32_t>(to - first);
          if (UsesInt8(kernels_, m, options_.exact)) {
            k.int8(m, x8, out, b, e, scratch_[thread].data());
          } else {
            k.f32(m, x32, out, b, e, scratch_[thread].data());
          }
        }
        first += count;
      }
    });
  }
}

void CpuExecutor::BuildRopeTables(const Step& step) {
  for (RopeTable& t : ropes_) {
    const size_t half = t.half();
    t.cos.resize(rows_ * half);
    t.sin.resize(rows_ * half);
    for (uint32_t r = 0; r < rows_; ++r) {
      for (size_t i = 0; i < half; ++i) {
        // The angle is rounded to float32 as the reference does, then its sine is exact.
        const float angle = static_cast<float>(step.rows[r].position) * t.frequencies.inverse[i];
        const float scale = t.frequencies.attention_factor;
        t.cos[r * half + i] = scale * static_cast<float>(std::cos(static_cast<double>(angle)));
        t.sin[r * half + i] = scale * static_cast<float>(std::sin(static_cast<double>(angle)));
      }
    }
  }
}

void CpuExecutor::Rope(const Op& op) {
  if (!spec_.rotary) return;
  const RopeTable& t = rope(op.layer);
  const size_t half = t.half();
  threads_.ParallelFor(
      rows_, CeilDiv<uint64_t>(kSerialWork, spec_.q_width() * 2), [&](size_t b, size_t e, size_t) {
        for (size_t r = b; r < e; ++r) {
          for (uint32_t h = 0; h < spec_.heads; ++h) {
            kernels_.elementwise.rope(slot(op.in) + r * stride(op.in) + h * spec_.head_dim,
                                      t.cos.data() + r * half, t.sin.data() + r * half, half);
          }
        }
      });
}

void CpuExecutor::Append(const Op& op, const Step& step) {
  threads_.ParallelFor(
      rows_, CeilDiv<uint64_t>(kSerialWork, spec_.kv_width() * 4), [&](size_t b, size_t e, size_t) {
        for (size_t r = b; r < e; ++r) {
          const StepRow& row = step.rows[r];
          const auto& segments = step.sequences[row.sequence].segments;
          const auto& segment = *std::prev(
              std::upper_bound(segments.begin(), segments.end(), row.position,
                               [](uint32_t p, const KvSegment& s) { return p < s.base; }));
          const uint32_t at = row.position - segment.base;
          const KvLayout& kv = layouts_.of(segment.codec);
          const RopeTable* t =
              spec_.rotary && Codec(kv.codec).keys_after_rope ? &rope(op.layer) : nullptr;
          for (uint32_t h = 0; h < spec_.kv_heads; ++h) {
            float* key = slot(op.in2) + r * stride(op.in2) + h * spec_.head_dim;
            const float* value = slot(op.in3) + r * stride(op.in3) + h * spec_.head_dim;
            if (t != nullptr) {
              const size_t half = t->half();
              kernels_.elementwise.rope(key, t->cos.data() + r * half, t->sin.data() + r * half,
                                        half);
            }
            const auto& append = kernels_.attend[static_cast<size_t>(kv.codec)].append;
            append(key, value, spec_.head_dim, at % kBlockTokens,
                   pool_.at(kv.keys_at(segment, at / kBlockTokens, op.layer, h)),
                   pool_.at(kv.values_at(segment, at / kBlockTokens, op.layer, h)));
          }
        }
      });
}

void CpuExecutor::Attend(const Op& op, const Step& step) {
  const AttendRunner runner(spec_, layouts_, pool_, step, op.layer, kernels_);
  const std::vector<AttendUnit> units = PlanAttention(spec_, step, op.layer);
  const float* q = slot(op.in);
  const uint64_t q_stride = stride(op.in);
  const size_t floats = runner.PartialFloats();
  uint64_t blocks = 0;
  for (const auto& u : units) blocks += u.blocks;
  const uint64_t work = blocks * units[0].count * kBlockTokens * spec_.head_dim * 2;
  const bool split = threads_.threads() > 1 && units.size() < 4 * threads_.threads() &&
                     blocks > units.size() && work > kSerialWork;
  if (!split) {
    const size_t grain = work > kSerialWork ? 1 : units.size();
    partials_.resize(std::max(partials_.size(), threads_.threads() * 2 * floats));
    threads_.ParallelFor(units.size(), grain, [&](size_t begin, size_t end, size_t thread) {
      float* partial = partials_.data() + thread * 2 * floats;
      AttendRunner::Queries queries;
      for (size_t u = begin; u < end; ++u) {
        queries.Gather(runner, units[u], q, q_stride);
        runner.Block(units[u], 0, queries, partial);
        for (uint32_t b = 1; b < units[u].blocks; ++b) {
          runner.Block(units[u], b, queries, partial + floats);
          runner.Merge(units[u], partial, partial + floats);
        }
        runner.Store(units[u], partial, slot(op.out), stride(op.out));
      }
    });
    return;
  }
  // All blocks of all units, in order.
  std::vector<std::pair<uint32_t, uint32_t>> items;
  std::vector<size_t> first;
  for (uint32_t u = 0; u < units.size(); ++u) {
    first.push_back(items.size());
    for (uint32_t b = 0; b < units[u].blocks; ++b) items.emplace_back(u, b);
  }
  partials_.resize(std::max(partials_.size(), items.size() * floats));
  threads_.ParallelFor(items.size(), 1, [&](size_t begin, size_t end, size_t) {
    AttendRunner::Queries queries;
    for (size_t i = begin; i < end; ++i) {
      const AttendUnit& unit = units[items[i].first];
      queries.Gather(runner, unit, q, q_stride);
      runner.Block(unit, items[i].second, queries, partials_.data() + i * floats);
    }
  });
  const uint64_t merged = items.size() * units[0].count * spec_.head_dim;
  const size_t grain = merged > kSerialWork ? 1 : units.size();
  threads_.ParallelFor(units.size(), grain, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) {
      float* partial = partials_.data() + first[u] * floats;
      for (uint32_t b = 1; b < units[u].blocks; ++b)
        runner.Merge(units[u], partial, partial + b * floats);
      runner.Store(units[u], partial, slot(op.out), stride(op.out));
    }
  });
}

}  // namespace wring
