// CudaExecutor: a step of few rows as the ops of one kernel.
#include <algorithm>

#include "model/cuda/cuda_executor.h"

namespace wring {

std::vector<cuda::StepOp> CudaExecutor::StepOps(std::vector<const Stage*>* stages) {
  if (rows_ > cuda::kGemvRows || selected_ > cuda::kGemvRows) return {};
  using Kind = cuda::StepOp::Kind;
  std::vector<cuda::StepOp> ops;
  const Stage* append = nullptr;
  uint32_t shared_out = 0;  // tiles so far
  const uint32_t groups = cuda::StepGroups(launcher_);
  for (const Stage& stage : stages_) {
    if (selected_ == 0 && stage.gather) break;
    const Op& op = *stage.op;
    const size_t before = ops.size();
    cuda::StepOp o;
    switch (stage.work) {
      case Work::kEmbed:
        o.kind = Kind::kEmbed;
        o.format = weights_.fragments(op.weight).format;
        if (HoldsHalves(o.format)) o.format = FormatId::kF16;
        o.embed = EmbedOf(op);
        ops.push_back(o);
        break;
      case Work::kNorm:
        if (stage.feeds && FusesNorm(op)) break;
        o.kind = Kind::kNorm;
        o.norm = NormOf(stage);
        ops.push_back(o);
        break;
      case Work::kLinear: {
        const std::vector<OneFormat> products = ProductsOf(stage);
        if (stage.gated != nullptr && products.size() > 1) return {};
        for (const OneFormat& p : products) {
          o.kind = Kind::kLinear;
          o.format = p.format;
          o.linear = p.args;
          o.joined = ops.size() > before;
          uint32_t tiles = p.args.part[0].w.tiles;
          if (stage.gated != nullptr) {
            o.gated = true;
            o.gate = GateOf(*stage.gated);
            o.half_out = halves(stage.gated->out);
            o.ld_out = stride(stage.gated->out);
          } else {
            for (uint32_t i = 1; i < p.args.parts; ++i) tiles += p.args.part[i].w.tiles;
          }
          // Who had one tile less than others before is the first now.
          o.shift = (groups - shared_out % groups) % groups;
          shared_out += tiles;
          ops.push_back(o);
        }
        break;
      }
      case Work::kAppend: append = &stage; break;
      case Work::kAttend:
        for (const PlanAt& p : at_.plans) {
          if (p.window != spec_.layer_window(op.layer)) continue;
          if (p.wide_grid > 0 || !cuda::HasStep(p.codec, spec_.head_dim)) return {};
          o.kind = Kind::kAttend;  // plans share the room for partials: one after another
          o.append = AppendOf(*append, p.codec);
          o.attend = AttendOf(op, p);
          ops.push_back(o);
        }
        break;
      case Work::kAdd:
        o.kind = Kind::kAdd;
        o.x = floats(op.in);
        o.y = floats(op.in2);
        o.count = uint64_t{rows_} * stride(op.in);
        ops.push_back(o);
        break;
      case Work::kSoftCap:
        o.kind = Kind::kSoftCap;
        o.x = floats(op.in);
        o.cap = op.value;
        o.count = selected_ * logits_stride();
        ops.push_back(o);
        break;
    }
    if (stages != nullptr) stages->resize(ops.size(), &stage);
  }
  if (!cuda::FitsStep(ShapeOf(ops))) ops.clear();
  return ops;
}

cuda::StepShape CudaExecutor::ShapeOf(const std::vector<cuda::StepOp>& ops) const {
  cuda::StepShape shape;
  shape.head_dim = KvCodec::PaddedHead(spec_.head_dim);
  shape.rows = std::max(rows_, selected_);
  // A tile of vectors: the rows of one sequence times the heads of a group; enough for any step of this shape.
  shape.vectors = std::min(16U, rows_ * spec_.group());
  for (const cuda::StepOp& o : ops) {
    if (o.kind != cuda::StepOp::Kind::kLinear) continue;
    const uint32_t slot = cuda::StepSlotBytes(o.format);
    if (slot == 0) return {};
    shape.slot_bytes = std::max(shape.slot_bytes, slot);
    shape.strips = std::max(shape.strips, o.linear.part[0].w.strips);
  }
  return shape;
}

void CudaExecutor::LaunchStep(const std::vector<cuda::StepOp>& ops, const Buffer& on_device,
                              uint64_t* times) {
  cuda::RunStep(launcher_, ShapeOf(ops), on_device.as<cuda::StepOp>(),
                static_cast<uint32_t>(ops.size()),
                const_cast<uint32_t*>(step_sync_.as<uint32_t>()), times);
}

}  // namespace wring
