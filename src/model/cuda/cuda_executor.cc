#include "model/cuda/cuda_executor.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cuda/exchange.h"

namespace wring {
namespace {

// Codecs with a kernel for many rows; with --invariant one that has the bits of the kernel for few.
std::bitset<kCodecCount> WideCodecs(const ModelSpec& spec, const ExecutorOptions& options) {
  std::bitset<kCodecCount> wide;
  const auto has = options.invariant ? cuda::HasAttendMany : cuda::HasAttendWide;
  for (size_t c = 0; c < kCodecCount; ++c) wide[c] = has(static_cast<CodecId>(c), spec.head_dim);
  return wide;
}

}  // namespace

CudaExecutor::CudaExecutor(const ModelSpec& spec, const Weights& weights, const KvLayouts& layouts,
                           PagePool& pool, const ExecutorOptions& options)
    : Executor(spec, weights, layouts, pool, options),
      device_(static_cast<CudaDevice&>(weights.device())),
      step_(spec_, device_.multiprocessors(), WideCodecs(spec_, options), options.invariant) {
  launcher_.stream = device_.stream();
  launcher_.multiprocessors = device_.multiprocessors();
  gemv_ = device_.shared_bytes() >= cuda::kGemvNeeds;
  wgmma_ = cuda::HasWgmma();
  // What memory brings at best is some seven eighths of its clock's. On two H200 more was worse, a quarter less about the same.
  calm_ = device_.memory_rate() * 7 / 8 / device_.multiprocessors();
}

CudaExecutor::~CudaExecutor() {
  device_.Use();
  cudaStreamSynchronize(device_.stream());
  DropGraphs();
}

Result<std::unique_ptr<Executor>> CudaExecutor::Create(const ModelSpec& spec,
                                                       const Weights& weights,
                                                       const KvLayouts& layouts, PagePool& pool,
                                                       const ExecutorOptions& options) {
  const auto& device = static_cast<const CudaDevice&>(weights.device());
  device.Use();
  std::unique_ptr<CudaExecutor> e(new CudaExecutor(spec, weights, layouts, pool, options));
  const Status prepared = e->Prepare();
  if (!spec.sharding.divided()) {
    WRING_TRY(prepared);
    return std::unique_ptr<Executor>(std::move(e));
  }
  // Ranks meet only when all are there.
  WRING_TRY(options.link->Agree(prepared));
  Meeting::Memory memory;
  memory.hidden = e->floats(Slot::kHidden);
  memory.normed = e->halves(Slot::kNormed);
  memory.rows = options.max_rows;
  memory.ld = e->stride(Slot::kHidden);
  memory.partials = e->joins_;
  memory.sends = e->wgmma_;
  WRING_ASSIGN(e->meeting_, Meeting::Create(e->device_, *options.link, memory));
  return std::unique_ptr<Executor>(std::move(e));
}

// What the model asks of the GPU.
Status CudaExecutor::CheckAttention() const {
  if (options_.exact) {
    return Error(Code::kUnsupported, "--exact is the CPU's arithmetic: add --device cpu");
  }
  for (size_t c = 0; c < kCodecCount; ++c) {
    const auto codec = static_cast<CodecId>(c);
    if (!layouts_.has(codec)) continue;
    const uint32_t needs = cuda::AttendNeeds(codec, spec_.head_dim);
    if (needs > device_.shared_bytes()) {
      return Error(
          Code::kUnsupported,
          "attention with heads of {} channels needs {} KiB of shared memory a block and {} "
          "has {}: use --device cpu",
          spec_.head_dim, needs >> 10, device_.name(), device_.shared_bytes() >> 10);
    }
    if (needs > 0) continue;
    return Error(
        Code::kUnsupported,
        "attention with heads of {} channels over a {} cache has no GPU kernel: use --kv f16 "
        "or int8, heads of up to 128, 192 or 256 channels, or --device cpu",
        spec_.head_dim, Codec(codec).name);
  }
  return {};
}

Status CudaExecutor::Prepare() {
  WRING_TRY(CheckAttention());
  WRING_TRY(CheckKernels("cuda", [](const PackedMatrix&) { return Arithmetic::kF16; }));
  WRING_TRY(Lower());
  if (spec_.sharding.divided()) FindJoins();
  WRING_TRY(Allocate());
  WRING_TRY(MakeRope());
  if (!options_.invariant) {
    WRING_ASSIGN(vendor_, cuda::VendorGemm::Create());
  }
  return {};
}

Status CudaExecutor::Lower() {
  const Op* q_norm = nullptr;
  const Op* k_norm = nullptr;
  for (size_t i = 0; i < ops_.size(); ++i) {
    const Op& op = ops_[i];
    const Op* next = i + 1 < ops_.size() ? &ops_[i + 1] : nullptr;
    const bool next_gates =
        next != nullptr && (next->kind == OpKind::kSiluMul || next->kind == OpKind::kGeluMul);
    switch (op.kind) {
      case OpKind::kEmbed: stages_.push_back({Work::kEmbed, &op}); break;
      case OpKind::kRmsNorm: stages_.push_back({Work::kNorm, &op}); break;
      case OpKind::kLinear: {
        Stage stage = {Work::kLinear, &op};
        Stage& before = stages_.back();
        if (before.work == Work::kNorm && WritesHalf(*before.op) && before.op->out == op.in) {
          before.feeds = true;
          stage.norm = stages_.size() - 1;
        }
        if (next_gates && op.parts.size() == 2) {
          stage.gated = next;
          ++i;
        }
        stages_.push_back(stage);
        break;
      }
      case OpKind::kHeadNorm: (op.in == Slot::kQ ? q_norm : k_norm) = &op; break;
      case OpKind::kRope: break;  // runs with the cache write
      case OpKind::kKvAppend: {
        Stage stage = {Work::kAppend, &op};
        stage.q_norm = std::exchange(q_norm, nullptr);
        stage.k_norm = std::exchange(k_norm, nullptr);
        stages_.push_back(stage);
        break;
      }
      case OpKind::kAttend: {
        Stage stage = {Work::kAttend, &op};
        stage.append = stages_.size() - 1;
        if (stages_.back().work != Work::kAppend) {
          return Error(Code::kUnsupported, "{} attends in a way that has no GPU kernel",
                       spec_.architecture);
        }
        stages_.push_back(stage);
        break;
      }
      case OpKind::kGather:
      case OpKind::kReduce: stages_.push_back({Work::kMeet, &op}); break;
      case OpKind::kAdd: stages_.push_back({Work::kAdd, &op}); break;
      case OpKind::kSoftCap: stages_.push_back({Work::kSoftCap, &op}); break;
      case OpKind::kSelect: {
        if (next == nullptr || next->kind != OpKind::kRmsNorm || next->in != Slot::kSelected)
          return Error(Code::kUnsupported, "{} selects rows in a way that has no GPU kernel",
                       spec_.architecture);
        Stage stage = {Work::kNorm, next};
        stage.gather = true;
        stages_.push_back(stage);
        ++i;
        break;
      }
      default:
        return Error(Code::kUnsupported, "{} has no GPU kernel: use --device cpu", OpName(op.kind));
    }
  }
  return {};
}

// Sums of the residual stream, each followed by its norm. The ranks then keep shares of the residual stream's rows, so all
// sums of a step must be of this kind.
void CudaExecutor::FindJoins() {
  bool all = !options_.invariant && spec_.hidden % 8 == 0 && spec_.hidden <= cuda::kSumNormCols &&
             options_.max_rows > cuda::kWideRows;
  bool some = false;
  for (size_t i = 0; i < stages_.size() && all; ++i) {
    const Op& op = *stages_[i].op;
    if (stages_[i].work == Work::kLinear && op.parts[0].out == Slot::kHidden) {
      const bool sums = i + 2 < stages_.size() && stages_[i + 1].work == Work::kMeet &&
                        stages_[i + 1].op->kind == OpKind::kReduce &&
                        stages_[i + 2].work == Work::kNorm && WritesHalf(*stages_[i + 2].op);
      all &= sums && !op.parts[0].has_bias;
      some |= sums;
    }
  }
  joins_ = all && some;
  if (!joins_) return;
  for (size_t i = 0; i + 2 < stages_.size(); ++i) {
    if (stages_[i + 1].work != Work::kMeet || stages_[i + 1].op->kind != OpKind::kReduce) continue;
    for (size_t s = i; s < i + 3; ++s) stages_[s].joins = true;
  }
}

Status CudaExecutor::Reserve(Buffer& buffer, uint64_t bytes) {
  if (bytes <= buffer.size()) return {};
  WRING_TRY(device_.Synchronize());
  DropGraphs();
  const uint64_t size = std::bit_ceil(std::max<uint64_t>(bytes, 4096));
  buffer = Buffer();
  WRING_ASSIGN(buffer, device_.Allocate(size));
  return {};
}

Status CudaExecutor::Allocate() {
  const uint64_t rows = options_.max_rows;
  for (size_t i = 1; i < kSlots; ++i) {
    const auto s = static_cast<Slot>(i);
    if (s == Slot::kLogits || SlotWidth(spec_, s) == 0) continue;
    WRING_ASSIGN(floats_[i], device_.Allocate(rows * stride(s) * sizeof(float)));
    const bool halved = s == Slot::kNormed || s == Slot::kQ || s == Slot::kAttention ||
                        s == Slot::kGate || s == Slot::kUp || s == Slot::kSelected ||
                        s == Slot::kAttentionAll || s == Slot::kFfnAll;
    if (halved) {
      const uint64_t width = s == Slot::kQ ? q_stride() : stride(s);
      WRING_ASSIGN(halves_[i], device_.Allocate(rows * width * sizeof(cuda::Half)));
    }
  }
  if (spec_.placement == Placement::kBack) {
    WRING_ASSIGN(hidden_in_, PinnedHost().Allocate(rows * stride(Slot::kHidden) * sizeof(float)));
  }
  if (!options_.invariant) {
    const uint64_t width = stride(Slot::kQ) + stride(Slot::kK) + stride(Slot::kV);
    WRING_ASSIGN(qkv_, device_.Allocate(rows * width * sizeof(cuda::Half)));
  }
  return ReserveForProducts();
}

Status CudaExecutor::MakeRope() {
  if (!spec_.rotary) return {};
  const uint32_t positions = options_.positions != 0 ? options_.positions : spec_.context;
  for (const RopeSpec& r : spec_.ropes) {
    const RopeFrequencies f = FrequenciesOf(r, spec_.head_dim, positions);
    RopeTable t;
    t.half = static_cast<uint32_t>(f.inverse.size());
    t.scale = f.attention_factor;
    WRING_ASSIGN(t.inverse, device_.Allocate(f.inverse.size() * sizeof(float)));
    WRING_TRY(device_.CopyIn(t.inverse, 0, std::as_bytes(std::span(f.inverse))));
    WRING_ASSIGN(t.cos_sin,
                 device_.Allocate(uint64_t{options_.max_rows} * t.half * 2 * sizeof(float)));
    ropes_.push_back(std::move(t));
  }
  return {};
}

Status CudaExecutor::Run(const Step& step, float* logits) {
  WRING_TRY(Compute(step));
  if (selected_ > 0 && spec_.sharding.rank == 0) WRING_TRY(CopyLogits(0, selected_, logits));
  return Finish();
}

// The step into the stream.
Status CudaExecutor::Compute(const Step& step) {
  assert(!step.rows.empty() && step.rows.size() <= options_.max_rows);
  device_.Use();
  rows_ = static_cast<uint32_t>(step.rows.size());
  selected_ = SelectedRows(step);
  WRING_TRY(step_.Build(step));
  WRING_TRY(Reserve(floats_[static_cast<size_t>(Slot::kLogits)],
                    uint64_t{selected_} * logits_stride() * sizeof(float)));
  WRING_TRY(Upload());
  if (meeting_ != nullptr) WRING_TRY(Rehearse());
  if (spec_.placement == Placement::kBack) {
    WRING_TRY(CudaStatus(cudaMemcpyAsync(floats(Slot::kHidden), hidden_in_.data(),
                                         uint64_t{rows_} * stride(Slot::kHidden) * sizeof(float),
                                         cudaMemcpyHostToDevice, device_.stream()),
                         "copying the residual stream"));
  }
  if (meeting_ != nullptr) WRING_TRY(ReserveMeeting());
  const bool graph = rows_ <= kGraphRows && (meeting_ == nullptr || meeting_->on_stream());
  CUgraphExec_st* recorded = nullptr;
  if (graph) {
    WRING_ASSIGN(recorded, GraphOfStep());
  }
  if (meeting_ != nullptr) WRING_TRY(meeting_->Ready());
  if (!graph) return Launch();
  return CudaStatus(cudaGraphLaunch(recorded, device_.stream()), "starting a step");
}

Status CudaExecutor::CopyLogits(uint32_t slot, uint32_t slots, float* logits) {
  return CudaStatus(cudaMemcpyAsync(logits + slot * logits_stride(),
                                    floats(Slot::kLogits) + slot * logits_stride(),
                                    slots * logits_stride() * sizeof(float), cudaMemcpyDeviceToHost,
                                    device_.stream()),
                    "copying logits");
}

Status CudaExecutor::Finish() {
  WRING_TRY(device_.Synchronize());
  return meeting_ != nullptr ? meeting_->Check() : Status();
}

Status CudaExecutor::ReserveMeeting() {
  uint64_t bytes = 0;
  for (const Op& op : ops_) {
    if (op.kind == OpKind::kGather)
      bytes = std::max(bytes, uint64_t{RowsOf(op.out)} * SlotWidth(spec_, op.out) * sizeof(float));
  }
  float* logits = floats(Slot::kLogits);
  if (bytes <= meeting_room_ && logits == meeting_logits_) return {};
  WRING_TRY(device_.Synchronize());
  DropGraphs();
  meeting_room_ = std::max(meeting_room_, bytes);
  meeting_logits_ = logits;
  return meeting_->Reserve(meeting_room_, logits);
}

// Lays all tables out one after another and copies them at once. Sizes that graphs must not depend on are rounded up.
Status CudaExecutor::Upload() {
  struct Piece {
    const void* data;
    uint64_t bytes, at;
  };
  std::vector<Piece> pieces;
  uint64_t end = 0;
  const auto add = [&](const auto& values, uint64_t room) {
    const uint64_t at = end;
    pieces.push_back({values.data(), values.size() * sizeof(values[0]), at});
    end += RoundUp<uint64_t>(std::max<uint64_t>(room, values.size()) * sizeof(values[0]), 16);
    return at;
  };
  const uint64_t rows = rows_ <= kGraphRows ? kGraphRows : rows_;
  at_.token = add(step_.token, rows);
  at_.position = add(step_.position, rows);
  at_.sequence = add(step_.sequence, rows);
  at_.selected = add(step_.selected, rows);
  for (size_t c = 0; c < kCodecCount; ++c) at_.first[c] = add(step_.blocks[c].first, rows);
  at_.plans.clear();
  std::vector<uint32_t> counts;
  counts.reserve(step_.plans.size());
  for (const auto& p : step_.plans) {
    PlanAt at;
    at.codec = p.codec;
    at.window = p.window;
    at.grid = p.items.empty() ? 0 : std::bit_ceil(static_cast<uint32_t>(p.items.size()));
    at.wide_grid = static_cast<uint32_t>(p.wide.size());
    at.chunk_blocks = p.chunk_blocks;
    at.most = 1;
    for (const cuda::AttendItem& item : p.items) at.most = std::max(at.most, item.count);
    counts.push_back(static_cast<uint32_t>(p.items.size()));
    at.count = add(std::span(&counts.back(), 1), 4);
    at.items = add(p.items, at.grid);
    at.wide_items = add(p.wide, at.wide_grid);
    at_.plans.push_back(at);
    const uint64_t partials =
        cuda::PartialFloats(KvCodec::PaddedHead(spec_.head_dim)) * sizeof(float);
    const uint64_t before = partials_.size();
    WRING_TRY(Reserve(partials_, uint64_t{p.vectors} * spec_.kv_heads * partials));
    if (partials_.size() != before) {
      WRING_TRY(
          CudaStatus(cudaMemsetAsync(partials_.data(), 0xff, partials_.size(), device_.stream()),
                     "clearing the parts of attention"));
    }
  }
  for (size_t c = 0; c < kCodecCount; ++c) {
    const auto& offsets = step_.blocks[c].offsets;
    at_.offsets[c] = add(offsets, std::bit_ceil(offsets.size() + 1));
  }
  WRING_TRY(Reserve(tables_, end));
  if (staging_.size() < end) {
    WRING_ASSIGN(staging_, PinnedHost().Allocate(tables_.size()));
  }
  for (const Piece& p : pieces) {
    if (p.bytes > 0) std::memcpy(staging_.data() + p.at, p.data, p.bytes);
  }
  return CudaStatus(cudaMemcpyAsync(tables_.data(), staging_.data(), end, cudaMemcpyHostToDevice,
                                    device_.stream()),
                    "copying the step");
}

Status CudaExecutor::Launch() {
  launcher_.error = 0;
  for (const RopeTable& t : ropes_) {
    cuda::RopeTable(launcher_, t.inverse.as<float>(), t.half, t.scale,
                    {table<uint32_t>(at_.position), table<uint32_t>(at_.sequence)}, rows_,
                    const_cast<float*>(t.cos_sin.as<float>()));
  }
  for (const Stage& stage : stages_) {
    if (selected_ == 0 && stage.gather) break;  // nobody wants logits
    WRING_TRY(RunStage(stage));
  }
  if (meeting_ != nullptr) WRING_TRY(meeting_->Finish(launcher_));
  return launcher_.status();
}

}  // namespace wring
