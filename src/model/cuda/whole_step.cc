// CudaExecutor: a step of few rows as one kernel.
#include <algorithm>

#include "model/cuda/cuda_executor.h"

namespace wring {

using Kind = cuda::StepOp::Kind;

Result<CudaExecutor::Whole> CudaExecutor::MakeWhole() {
  Whole whole;
  if (rows_ > cuda::kGemvRows || selected_ > cuda::kGemvRows) return whole;
  for (const Stage& stage : stages_) {
    if (selected_ == 0 && stage.gather) break;
    if (!AddWhole(stage, &whole)) return Whole();
    whole.stages.resize(whole.ops.size(), &stage);
  }
  AddStreams(&whole);
  cuda::StepShape& shape = whole.shape;
  shape.rows = std::max(rows_, selected_);
  shape.head_dim = KvCodec::PaddedHead(spec_.head_dim);
  shape.vectors = std::min(16U, rows_ * spec_.group());  // as many as any such step's tile has
  shape.streams = static_cast<uint32_t>(whole.streams.size());
  for (const cuda::StepOp& o : whole.ops) {
    if (o.kind != Kind::kLinear) continue;
    shape.slot_bytes = std::max(shape.slot_bytes, cuda::StepSlotBytes(o.format));
    shape.strips = std::max(shape.strips, o.linear.part[0].w.strips);
  }
  if (!cuda::FitsStep(shape)) return Whole();

  const auto ops = std::as_bytes(std::span(whole.ops));
  const auto streams = std::as_bytes(std::span(whole.streams));
  WRING_ASSIGN(whole.on_device, device_.Allocate(ops.size() + streams.size()));
  WRING_TRY(device_.CopyIn(whole.on_device, 0, ops));
  WRING_TRY(device_.CopyIn(whole.on_device, ops.size(), streams));
  whole.program.ops = whole.on_device.as<cuda::StepOp>();
  whole.program.count = static_cast<uint32_t>(whole.ops.size());
  whole.program.streams =
      reinterpret_cast<const cuda::StepStream*>(whole.on_device.data() + ops.size());
  whole.program.stream_count = shape.streams;
  return whole;
}

// What one stage is there; false: it has no place.
bool CudaExecutor::AddWhole(const Stage& stage, Whole* whole) {
  const Op& op = *stage.op;
  std::vector<cuda::StepOp>& ops = whole->ops;
  cuda::StepOp o;
  switch (stage.work) {
    case Work::kEmbed:
      o.kind = Kind::kEmbed;
      o.format = weights_.fragments(op.weight).format;
      if (HoldsHalves(o.format)) o.format = FormatId::kF16;
      o.embed = EmbedOf(op);
      ops.push_back(o);
      return true;
    case Work::kNorm:
      if (stage.feeds && FusesNorm(op)) return true;
      o.kind = Kind::kNorm;
      o.norm = NormOf(stage);
      ops.push_back(o);
      return true;
    case Work::kLinear: {
      const std::vector<OneFormat> products = ProductsOf(stage);
      if (stage.gated != nullptr) {
        if (products.size() > 1) return false;
        o.gated = true;
        o.gate = GateOf(*stage.gated);
        o.half_out = halves(stage.gated->out);
        o.ld_out = stride(stage.gated->out);
      }
      for (const OneFormat& p : products) {
        if (cuda::StepSlotBytes(p.format) == 0) return false;
        o.kind = Kind::kLinear;
        o.format = p.format;
        o.linear = p.args;
        o.joined = &p != products.data();
        ops.push_back(o);
      }
      return true;
    }
    case Work::kAppend: return true;  // done with kAttend
    case Work::kAttend:
      for (const PlanAt& p : at_.plans) {
        if (p.window != spec_.layer_window(op.layer)) continue;
        if (p.wide_grid > 0 || !cuda::HasStep(p.codec, spec_.head_dim)) return false;
        o.kind = Kind::kAttend;  // plans share the room for partials: one after another
        o.append = AppendOf(*(&stage - 1), p.codec);
        o.attend = AttendOf(op, p);
        ops.push_back(o);
      }
      return true;
    case Work::kAdd:
      o.kind = Kind::kAdd;
      o.x = floats(op.in);
      o.y = floats(op.in2);
      o.count = uint64_t{rows_} * stride(op.in);
      ops.push_back(o);
      return true;
    case Work::kSoftCap:
      o.kind = Kind::kSoftCap;
      o.x = floats(op.in);
      o.cap = op.value;
      o.count = selected_ * logits_stride();
      ops.push_back(o);
      return true;
  }
  return false;
}

void CudaExecutor::AddStreams(Whole* whole) const {
  const uint32_t groups = cuda::StepGroups(launcher_);
  uint32_t shared_out = 0;  // tiles so far
  for (cuda::StepOp& o : whole->ops) {
    if (o.kind != Kind::kLinear) continue;
    // Who had one tile less than others before is the first now.
    o.shift = (groups - shared_out % groups) % groups;
    const cuda::StepStream s = cuda::StreamOf(o);
    shared_out += s.all_tiles;
    whole->streams.push_back(s);
  }
}

void CudaExecutor::LaunchWhole(const Whole& whole, uint64_t* times) {
  LaunchRopes();
  cuda::RunStep(launcher_, whole.shape, whole.program,
                const_cast<uint32_t*>(step_sync_.as<uint32_t>()), times);
}

}  // namespace wring
