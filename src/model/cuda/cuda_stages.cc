// CudaExecutor: the stages of a step as launches.
#include <algorithm>

#include "model/cuda/cuda_executor.h"
#include "model/shard.h"

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
  c.kv_heads = l.kv_heads;
  c.codec = codec;
  return c;
}

Status CudaExecutor::RunStage(const Stage& stage, bool alone) {
  const Op& op = *stage.op;
  switch (stage.work) {
    case Work::kEmbed:
      cuda::LinearOf(weights_.fragments(op.weight).format).embed(launcher_, EmbedOf(op));
      return {};
    case Work::kNorm:
      if (NormsInMeeting(stage)) return {};
      if (!(stage.feeds && FusesNorm(stage))) cuda::RmsNorm(launcher_, NormOf(stage));
      return {};
    case Work::kLinear: return Linear(stage, alone);
    case Work::kAppend:
      if (step_.fused) return {};
      for (size_t c = 0; c < kCodecCount; ++c) {
        if (step_.blocks[c].used) cuda::Append(launcher_, AppendOf(stage, static_cast<CodecId>(c)));
      }
      return {};
    case Work::kAttend:
      for (const PlanAt& p : at_.plans) {
        if (p.window != spec_.layer_window(op.layer)) continue;
        cuda::AttendArgs a = AttendOf(op, p);
        if (step_.fused) {
          cuda::AppendAndAttend(launcher_, AppendOf(stages_[stage.append], p.codec), a);
          continue;
        }
        if (p.grid > 0) cuda::Attend(launcher_, a);
        a.items = table<cuda::AttendItem>(p.wide_items);
        a.grid_items = p.wide_grid;
        if (p.wide_grid > 0)
          (options_.invariant ? cuda::AttendMany : cuda::AttendWide)(launcher_, a);
      }
      return {};
    case Work::kAdd:
      cuda::Add(launcher_, floats(op.in), floats(op.in2), uint64_t{rows_} * stride(op.in));
      return {};
    case Work::kMeet: return Meet(stage);
    case Work::kSoftCap:
      cuda::SoftCap(launcher_, floats(op.in), op.value, selected_ * logits_stride());
      return {};
  }
  return {};
}

bool CudaExecutor::JoinsNorms() const {
  return joins_ && vendor_ != nullptr && rows_ > cuda::kWideRows && meeting_->partial() != nullptr;
}

bool CudaExecutor::NormsInMeeting() const { return JoinsNorms() || SendsSums(); }
// The last sum is normed with the selected rows.
bool CudaExecutor::NormsInMeeting(const Stage& norm) const {
  return norm.joins && !norm.gather && NormsInMeeting();
}

// What a matrix reads travels as float16, what joins the residual stream and the logits as float32.
Status CudaExecutor::Meet(const Stage& stage) {
  const Op& op = *stage.op;
  const uint32_t rows = RowsOf(op.out);
  const bool logits = op.out == Slot::kLogits;
  const uint64_t ld = logits ? logits_stride() : stride(op.out);
  if (stage.joins && NormsInMeeting()) {
    const Stage& norm = stages_[static_cast<size_t>(&stage - stages_.data()) + 1];
    const float* weight = norm.gather ? nullptr : weights_.vector(norm.op->weight);
    const float eps = spec_.norm_eps;
    if (!JoinsNorms()) return meeting_->SumRows(launcher_, weight, eps, rows, spec_.hidden);
    return meeting_->SumNorm(launcher_, weight, eps, rows, spec_.hidden, sent_);
  }
  if (op.kind == OpKind::kReduce) return meeting_->Sum(launcher_, floats(op.out), rows * ld);
  Meeting::Slices s;
  s.ranges = SlicesOf(spec_, op.out);
  s.rows = rows;
  s.ld_all = ld;
  if (op.in == op.out) {
    s.bytes = sizeof(float);
    s.all = reinterpret_cast<std::byte*>(floats(op.out));
    s.mine = s.all + uint64_t{s.ranges[spec_.sharding.rank].first} * s.bytes;
    s.ld = ld;
  } else {
    s.bytes = sizeof(cuda::Half);
    s.all = reinterpret_cast<std::byte*>(halves(op.out));
    s.mine = reinterpret_cast<const std::byte*>(halves(op.in));
    s.ld = stride(op.in);
  }
  return meeting_->Gather(launcher_, s);
}

cuda::EmbedArgs CudaExecutor::EmbedOf(const Op& op) {
  cuda::EmbedArgs a;
  a.w = Matrix(op.weight);
  if (op.index == RowIndex::kToken) a.index = table<int32_t>(at_.token);
  if (op.index == RowIndex::kPosition) a.index = table<int32_t>(at_.position);
  a.rows = rows_;
  a.scale = op.value;
  a.add = op.add_to_out;
  a.out = floats(op.out);
  a.ld = stride(op.out);
  return a;
}

// Whether the product after a norm norms its input itself.
bool CudaExecutor::FusesNorm(const Stage& norm) const {
  const Slot out = norm.op->out;
  return gemv_ && !NormsInMeeting(norm) && cuda::FusesNorm(RowsOf(out), stride(out) / kStripCols);
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

// Of weights that are worth asking for at the memory's pace.
constexpr uint64_t kManyBytes = 4 << 20;

std::vector<CudaExecutor::OneFormat> CudaExecutor::ProductsOf(const Stage& stage) {
  const Op& op = *stage.op;
  cuda::LinearArgs args;
  args.x = halves(op.in);
  args.ldx = stride(op.in);
  args.rows = RowsOf(op.in);
  args.add = op.add_to_out;
  if (stage.norm != kNoStage) {
    const Stage& norm = stages_[stage.norm];
    if (FusesNorm(norm)) args.norm = NormOf(norm);
    if (NormsInMeeting(norm)) args.calm = calm_;
  }
  std::vector<OneFormat> products;
  for (const LinearPart& p : op.parts) {
    FormatId format = weights_.fragments(p.weight).format;
    if (HoldsHalves(format)) format = FormatId::kF16;
    if (products.empty() || products.back().format != format) products.push_back({format, args});
    cuda::LinearArgs& to = products.back().args;
    auto& part = to.part[to.parts++];
    part.w = Matrix(p.weight);
    part.out = floats(p.out) + p.first;
    part.ld = p.out == Slot::kLogits ? static_cast<uint32_t>(logits_stride()) : stride(p.out);
    part.bias = p.has_bias ? weights_.vector(p.bias) : nullptr;
  }
  // What attention of few rows reads is little, and must not queue behind much.
  if (op.in != Slot::kAttention || args.rows > cuda::kGemvRows) return products;
  for (OneFormat& p : products) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p.args.parts; ++i)
      bytes += p.args.part[i].w.tiles * p.args.part[i].w.tile_bytes;
    if (bytes >= kManyBytes) p.args.calm = calm_;
  }
  return products;
}

bool CudaExecutor::SendsSums() const { return joins_ && meeting_->Sends(rows_) != nullptr; }

cuda::Gate CudaExecutor::GateOf(const Op& gated) {
  return gated.kind == OpKind::kSiluMul ? cuda::Gate::kSilu : cuda::Gate::kGeluTanh;
}

Status CudaExecutor::Linear(const Stage& stage, bool alone) {
  const Op& op = *stage.op;
  const bool head = op.in == Slot::kSelected;
  std::vector<OneFormat> products = ProductsOf(stage);
  const auto all = [&] {
    for (const OneFormat& p : products) WRING_TRY(RunProduct(p.args, p.format, head));
    return Status();
  };
  if (op.parts[0].out == Slot::kQ) {
    halves_of_qkv_ = HasHalvesOfQkv(op, products);
    if (halves_of_qkv_) return QkvHalves(products);
  }
  if (stage.joins && JoinsNorms()) {
    sent_ = SendsEarly(products[0]);
    if (sent_) return SendAndAdd(products[0], alone);
    cuda::LinearArgs args = products[0].args;
    args.add = false;
    return VendorProducts(args, products[0].format, {meeting_->partial()});
  }
  if (stage.joins && !alone && SendsSums()) products[0].args.send = meeting_->Sends(rows_);
  if (stage.gated == nullptr) return all();
  const auto& [format, args] = products[0];
  const bool one_format = products.size() == 1;
  const Op& gated = *stage.gated;
  const cuda::Gate gate = GateOf(gated);
  const Product product = ProductOf(args, format, head);
  const cuda::LinearKernels& k = cuda::LinearOf(format);
  cuda::Half* out = halves(gated.out);
  const uint32_t ld = stride(gated.out);
  if (one_format && (product == Product::kGemv || product == Product::kCodes)) {
    (product == Product::kGemv ? k.gated_gemv : k.gated_codes)(launcher_, args, gate, out, ld);
    return {};
  }
  if (one_format && (product == Product::kMany || product == Product::kNarrow)) {
    (product == Product::kMany ? k.gated_many : k.gated_narrow)(launcher_, args, gate, out, ld,
                                                                workspace_.as<std::byte>());
    return {};
  }
  // The vendor's products can be float16 at once: half the traffic. A bias would have to be, too.
  const bool biased = op.parts[0].has_bias || op.parts[1].has_bias;
  if (product == Product::kVendor && one_format && !biased) {
    WRING_TRY(VendorProducts(args, format, {halves(Slot::kGate), halves(Slot::kUp)}));
    cuda::GatedHalf(launcher_, gate, halves(Slot::kGate), halves(Slot::kUp), args.rows, spec_.ffn,
                    ld);
    return {};
  }
  WRING_TRY(all());
  cuda::Gated(launcher_, gate, floats(gated.out), floats(gated.in2), args.rows, spec_.ffn, ld, out,
              ld);
  return {};
}

cuda::AppendArgs CudaExecutor::AppendOf(const Stage& stage, CodecId codec) {
  const Op& op = *stage.op;
  cuda::AppendArgs a;
  a.halves = halves_of_qkv_;
  const auto input = [&](Slot s) {
    return a.halves ? static_cast<const void*>(HalvesOf(s)) : floats(s);
  };
  a.q = input(Slot::kQ);
  a.k = input(op.in2);
  a.v = input(op.in3);
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
  a.cache = Cache(codec, op.layer);
  return a;
}

cuda::AttendArgs CudaExecutor::AttendOf(const Op& op, const PlanAt& plan) {
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
  a.window = plan.window;
  a.row = {table<uint32_t>(at_.position), table<uint32_t>(at_.sequence)};
  a.cache = Cache(plan.codec, op.layer);
  a.items = table<cuda::AttendItem>(plan.items);
  a.item_count = table<uint32_t>(plan.count);
  a.grid_items = plan.grid;
  a.most = plan.most;
  a.chunk_blocks = plan.chunk_blocks;
  a.partials = partials_.as<float>();
  return a;
}

}  // namespace wring
