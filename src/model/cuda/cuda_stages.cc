// CudaExecutor: the stages of a step as launches.
#include <algorithm>

#include "model/cuda/cuda_executor.h"

namespace wring {

cuda::MatrixArg CudaExecutor::Matrix(WeightRef ref) const {
  const FragmentMatrix& m = weights_.fragments(ref);
  return {m.data,
          m.tile_bytes(),
          m.rows,
          m.cols,
          m.row_tiles(),
          m.strips(),
          FragmentsOf(m.format).alpha};
}

cuda::CacheArg CudaExecutor::Cache(CodecId codec, uint32_t layer) const {
  const KvLayout& l = layouts_.of(codec);
  cuda::CacheArg c;
  c.pool = pool_.at(0);
  c.offsets = table<uint64_t>(at_.offsets[static_cast<size_t>(codec)]);
  c.first = table<uint32_t>(at_.first[static_cast<size_t>(codec)]);
  c.groups = static_cast<uint32_t>(l.groups.size());
  c.group = l.places[layer].group;
  c.in_block = l.places[layer].index * l.layer_bytes;
  c.head_bytes = l.head_bytes;
  c.codec = codec;
  return c;
}

Status CudaExecutor::RunStage(const Stage& stage) {
  const Op& op = *stage.op;
  switch (stage.work) {
    case Work::kEmbed: Embed(op); return {};
    case Work::kNorm: Norm(stage); return {};
    case Work::kLinear: return Linear(stage);
    case Work::kAppend: Append(stage); return {};
    case Work::kAttend: Attend(op); return {};
    case Work::kAdd:
      cuda::Add(launcher_, floats(op.in), floats(op.in2), uint64_t{rows_} * stride(op.in));
      return {};
    case Work::kSoftCap:
      cuda::SoftCap(launcher_, floats(op.in), op.value, selected_ * logits_stride());
      return {};
  }
  return {};
}

void CudaExecutor::Embed(const Op& op) {
  const int32_t* index = nullptr;
  if (op.index == RowIndex::kToken) index = table<int32_t>(at_.token);
  if (op.index == RowIndex::kPosition) index = table<int32_t>(at_.position);
  cuda::LinearOf(weights_.fragments(op.weight).format)
      .embed(launcher_, Matrix(op.weight), index, rows_, op.value, op.add_to_out, floats(op.out),
             stride(op.out));
}

void CudaExecutor::Norm(const Stage& stage) {
  const Op& op = *stage.op;
  if (stage.feeds && FusesNorm(op)) return;
  cuda::RmsNorm(launcher_, NormOf(stage));
}

// Whether the product after a norm norms its input itself.
bool CudaExecutor::FusesNorm(const Op& norm) const {
  return cuda::FusesNorm(RowsOf(norm.out), stride(norm.out) / kStripCols);
}

cuda::NormArgs CudaExecutor::NormOf(const Stage& stage) {
  const Op& op = *stage.op;
  cuda::NormArgs a;
  const Slot in = stage.gather ? Slot::kHidden : op.in;
  a.x = floats(in);
  a.ldx = stride(in);
  a.gather = stage.gather ? table<uint32_t>(at_.selected) : nullptr;
  a.weight = weights_.vector(op.weight);
  a.eps = spec_.norm_eps;
  a.rows = RowsOf(op.out);
  a.cols = spec_.hidden;
  a.ld = stride(op.out);
  (WritesHalf(op) ? reinterpret_cast<void*&>(a.half_out) : reinterpret_cast<void*&>(a.out)) =
      WritesHalf(op) ? static_cast<void*>(halves(op.out)) : static_cast<void*>(floats(op.out));
  return a;
}

Status CudaExecutor::Linear(const Stage& stage) {
  const Op& op = *stage.op;
  cuda::LinearArgs args;
  args.x = halves(op.in);
  args.ldx = stride(op.in);
  args.rows = RowsOf(op.in);
  args.add = op.add_to_out;
  if (stage.norm != kNoStage && FusesNorm(*stages_[stage.norm].op))
    args.norm = NormOf(stages_[stage.norm]);
  const bool head = op.in == Slot::kSelected;
  FormatId format = FormatId::kF16;
  bool one_format = true;
  for (const LinearPart& p : op.parts) {
    const FormatId f = weights_.fragments(p.weight).format;
    const bool same = args.parts == 0 || cuda::LinearOf(f).gemv == cuda::LinearOf(format).gemv;
    if (!same) {
      one_format = false;
      WRING_TRY(Product(args, format, head));
      args.parts = 0;
    }
    format = f;
    auto& part = args.part[args.parts++];
    part.w = Matrix(p.weight);
    part.out = floats(p.out);
    part.ld = p.out == Slot::kLogits ? static_cast<uint32_t>(logits_stride()) : stride(p.out);
    part.bias = p.has_bias ? weights_.vector(p.bias) : nullptr;
  }
  if (stage.gated == nullptr) return Product(args, format, head);
  const Op& gated = *stage.gated;
  const auto gate = gated.kind == OpKind::kSiluMul ? cuda::Gate::kSilu : cuda::Gate::kGeluTanh;
  if (one_format && args.rows <= cuda::kGemvRows) {
    cuda::LinearOf(format).gated_gemv(launcher_, args, gate, halves(gated.out), stride(gated.out));
    return {};
  }
  // The vendor's products can be float16 at once: half the traffic. A bias would have to be, too.
  const bool biased = op.parts[0].has_bias || op.parts[1].has_bias;
  if (UsesVendor(args.rows, format, head) && one_format && !biased) {
    WRING_TRY(VendorProduct(args.part[0], args, format, halves(Slot::kGate)));
    WRING_TRY(VendorProduct(args.part[1], args, format, halves(Slot::kUp)));
    cuda::GatedHalf(launcher_, gate, halves(Slot::kGate), halves(Slot::kUp), args.rows, spec_.ffn,
                    stride(gated.out));
    return {};
  }
  WRING_TRY(Product(args, format, head));
  cuda::Gated(launcher_, gate, floats(gated.out), floats(gated.in2), args.rows, spec_.ffn,
              stride(gated.out), halves(gated.out), stride(gated.out));
  return {};
}

Status CudaExecutor::Product(const cuda::LinearArgs& args, FormatId format, bool head) {
  const cuda::LinearKernels& k = cuda::LinearOf(format);
  if (args.rows <= cuda::kGemvRows) {
    k.gemv(launcher_, args);
    return {};
  }
  if (!UsesVendor(args.rows, format, head)) {
    k.gemm(launcher_, args, workspace_.as<float>());
    return {};
  }
  for (uint32_t i = 0; i < args.parts; ++i) {
    WRING_TRY(VendorProduct(args.part[i], args, format, nullptr));
  }
  return {};
}

bool CudaExecutor::UsesVendor(uint32_t rows, FormatId format, bool head) const {
  if (vendor_ == nullptr || rows <= cuda::kGemvRows) return false;
  // The head's rows may be odd; packed weights must be expanded first, which pays for many rows.
  return HoldsHalves(format) ? !head : !head && rows > cuda::kSplitRows;
}

Status CudaExecutor::VendorProduct(const cuda::LinearArgs::Part& part, const cuda::LinearArgs& args,
                                   FormatId format, cuda::Half* half_out) {
  cuda::VendorGemm::Product p;
  p.x = args.x;
  p.ldx = args.ldx;
  p.rows = args.rows;
  p.w = reinterpret_cast<const cuda::Half*>(part.w.data);
  if (!HoldsHalves(format)) {
    cuda::LinearOf(format).expand(launcher_, part.w, expanded_.as<cuda::Half>());
    p.w = expanded_.as<cuda::Half>();
  }
  p.ldw = p.inputs = part.w.strips * kStripCols;
  p.outputs = part.w.rows;
  p.bias = part.bias;
  p.y = part.out;
  p.half_y = half_out;
  p.ldy = part.ld;
  p.alpha = part.w.alpha;
  p.add = args.add;
  return vendor_->Run(launcher_, p);
}

void CudaExecutor::Append(const Stage& stage) {
  const Op& op = *stage.op;
  cuda::AppendArgs a;
  a.q = floats(Slot::kQ);
  a.k = floats(op.in2);
  a.v = floats(op.in3);
  a.ldq = stride(Slot::kQ);
  a.ldk = stride(op.in2);
  if (stage.q_norm != nullptr) a.q_norm = weights_.vector(stage.q_norm->weight);
  if (stage.k_norm != nullptr) a.k_norm = weights_.vector(stage.k_norm->weight);
  a.eps = spec_.norm_eps;
  if (spec_.rotary) {
    const RopeTable& t = ropes_[spec_.layer_rope(op.layer)];
    a.cos_sin = t.cos_sin.as<float>();
    a.half = t.half;
  }
  a.heads = spec_.heads;
  a.kv_heads = spec_.kv_heads;
  a.head_dim = spec_.head_dim;
  a.rows = rows_;
  a.q_out = halves(Slot::kQ);
  a.ldq_out = q_stride();
  a.row = {table<uint32_t>(at_.position), table<uint32_t>(at_.sequence)};
  for (size_t c = 0; c < kCodecCount; ++c) {
    if (!step_.blocks[c].used) continue;
    a.cache = Cache(static_cast<CodecId>(c), op.layer);
    cuda::Append(launcher_, a);
  }
}

void CudaExecutor::Attend(const Op& op) {
  const uint32_t window = spec_.layer_window(op.layer);
  for (const PlanAt& p : at_.plans) {
    if (p.window != window) continue;
    cuda::AttendArgs a;
    a.q = halves(op.in);
    a.ldq = q_stride();
    a.out = halves(op.out);
    a.ld_out = stride(op.out);
    a.heads = spec_.heads;
    a.kv_heads = spec_.kv_heads;
    a.head_dim = spec_.head_dim;
    a.strided = spec_.head_mapping == HeadMapping::kStrided;
    a.scale = spec_.attention_scale;
    a.softcap = spec_.attention_softcap;
    a.window = window;
    a.row = {table<uint32_t>(at_.position), table<uint32_t>(at_.sequence)};
    a.cache = Cache(p.codec, op.layer);
    a.items = table<cuda::AttendItem>(p.items);
    a.item_count = table<uint32_t>(p.count);
    a.grid_items = p.grid;
    a.partials = partials_.as<float>();
    a.counters = counters_.as<uint32_t>();
    if (p.grid > 0) cuda::Attend(launcher_, a);
    a.items = table<cuda::AttendItem>(p.wide_items);
    a.grid_items = p.wide_grid;
    if (p.wide_grid > 0) cuda::AttendWide(launcher_, a);
  }
}

}  // namespace wring
