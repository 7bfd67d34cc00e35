#include "analyze/cost.h"

#include <algorithm>
#include <cmath>

#include "analyze/attend_work.h"
#include "analyze/gpu_merge.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/linear.h"
#include "kernels/cuda/kernels.h"
#include "quant/fragments/fragments.h"

namespace wring::analyze {
namespace {

// Operations an element, of what is no product: a max, a subtraction, an exponential, a sum and a division of the softmax,
// and so on. They say which op is small, not how fast it is.
constexpr double kSoftmaxOps = 5;
constexpr double kNormOps = 4;
constexpr double kLayerNormOps = 7;
constexpr double kActivationOps = 8;
constexpr double kRopeOps = 3;  // an element: two multiplications, one sum

// Activation tiles of so many rows.
uint64_t Tiles(uint64_t rows) {
  const uint32_t widest = cpu::BestKernels().widest_tile;
  uint64_t tiles = rows / widest;
  for (uint64_t r = tiles * widest; r < rows; ++tiles)
    r += cpu::TileRows(static_cast<uint32_t>(rows - r), widest);
  return tiles;
}
// Into how many pieces a processor cuts making an input ready.
uint32_t PreparePieces(uint64_t rows, uint64_t cols) {
  return static_cast<uint32_t>(std::max<uint64_t>(Tiles(rows) / cpu::PrepareGrain(cols), 1));
}

// Prices the ops of one step.
class Pricer {
 public:
  Pricer(const ModelSpec& spec, const Matrices& matrices, const Workload& work,
         const CostOptions& options)
      : spec_(spec),
        matrices_(matrices),
        work_(work),
        o_(options),
        codec_(options.codec != nullptr ? *options.codec : Codec(CodecId::kF16)),
        rows_(static_cast<double>(work.rows())) {}

  OpCost Of(const Op& op) const {
    OpCost c;
    c.kind = op.kind;
    c.name = OpName(op.kind);
    switch (op.kind) {
      case OpKind::kEmbed: Embed(op, &c); break;
      case OpKind::kLinear: Linear(op, &c); break;
      case OpKind::kAttend: Attend(op, &c); break;
      case OpKind::kKvAppend: Append(&c); break;
      case OpKind::kRmsNorm:
        Elements(op, kNormOps, 1, &c);
        c.cost.weights = sizeof(float) * spec_.hidden;
        break;
      case OpKind::kHeadNorm:
        Elements(op, kNormOps, 1, &c);
        c.cost.weights = sizeof(float) * spec_.head_dim;
        break;
      case OpKind::kLayerNorm:
        Elements(op, kLayerNormOps, 1, &c);
        c.cost.weights = 2 * sizeof(float) * spec_.hidden;
        break;
      case OpKind::kRope: Elements(op, kRopeOps, 1, &c); break;
      case OpKind::kSiluMul:
      case OpKind::kGeluMul: Elements(op, kActivationOps, 2, &c); break;
      case OpKind::kGelu:
      case OpKind::kSoftCap: Elements(op, kActivationOps, 1, &c); break;
      case OpKind::kAdd: Elements(op, 1, 2, &c); break;
      case OpKind::kSelect:
      case OpKind::kPool:
      case OpKind::kGather:
      case OpKind::kReduce: Elements(op, 0, 1, &c); break;
    }
    if (c.unit == Unit::kVector && !o_.gpu) c.pieces = PiecesOf(op);
    return c;
  }

 private:
  // Into how many pieces a processor cuts an op that is no product: rows of so much work that a meeting of threads pays.
  uint32_t PiecesOf(const Op& op) const {
    const auto rows = [&](double of, uint64_t work) {
      const uint64_t grain = CeilDiv<uint64_t>(cpu::kSerialWork, std::max<uint64_t>(work, 1));
      return static_cast<uint32_t>(std::max<uint64_t>(static_cast<uint64_t>(of) / grain, 1));
    };
    const Slot out = op.out == Slot::kNone ? op.in : op.out;
    const uint64_t width = SlotWidth(spec_, out);
    switch (op.kind) {
      case OpKind::kEmbed: return rows(rows_ / 8, cpu::kSerialWork);
      case OpKind::kRmsNorm:
      case OpKind::kLayerNorm: return rows(Rows(op.in), 2 * width);
      case OpKind::kHeadNorm: return rows(rows_, 4 * width);
      case OpKind::kRope: return rows(rows_, 2 * spec_.q_width());
      case OpKind::kKvAppend: return rows(rows_, 4 * spec_.kv_width());
      case OpKind::kSelect:
      case OpKind::kPool:
      case OpKind::kGather:
      case OpKind::kReduce: return 1;
      default: return rows(Rows(out), 8 * width);
    }
  }
  double Rows(Slot slot) const {
    const bool selected = slot == Slot::kSelected || slot == Slot::kLogits;
    return selected ? static_cast<double>(work_.logits()) : rows_;
  }
  double Bytes(Slot slot) const {
    return Rows(slot) * SlotWidth(spec_, slot) * o_.activation_bytes;
  }

  void Embed(const Op& op, OpCost* c) const {
    const auto& m = matrices_.of(op.weight);
    c->name = "embed";
    c->cost.weights = rows_ * m.read / m.rows;
    c->cost.out = Bytes(op.out);
    if (op.add_to_out) c->cost.in = Bytes(op.out);
    if (!o_.gpu) c->expanded = rows_ * m.cols;
  }

  void Linear(const Op& op, OpCost* c) const {
    const WeightFormat* format = matrices_.of(op.parts[0].weight).format;
    c->unit = format != nullptr && format->block_cols() > 1 ? Unit::kMatrix : Unit::kPlainMatrix;
    c->name.clear();
    const double rows = Rows(op.parts[0].out);
    c->rows = static_cast<uint64_t>(rows);
    const uint32_t cols = SlotWidth(spec_, op.in);
    if (!o_.gpu) c->beside = rows * cols;
    c->pieces = PreparePieces(c->rows, cols);
    const bool packed = c->unit == Unit::kMatrix;
    const Unpackings unpackings = UnpackingsOf(c->rows, cols, packed);
    c->cost.in = rows * SlotWidth(spec_, op.in) * o_.activation_bytes;
    const bool of_layer = op.parts[0].weight.role != WeightRole::kHead;
    for (const LinearPart& p : op.parts) {
      const auto& m = matrices_.of(p.weight);
      c->name += fmt::format("{}{}", c->name.empty() ? "" : ", ", MatrixName(p.weight.role));
      const double flops = 2 * rows * m.rows * m.cols;
      c->cost.flops += flops;
      c->done += flops * DotEffort(m.format);
      c->cost.weights += m.read;
      if (p.has_bias) c->cost.weights += sizeof(float) * m.rows;
      const double weights = static_cast<double>(m.rows) * m.cols;
      c->unpacked += unpackings.direct * weights;
      c->expanded += unpackings.expanded * weights;
      // A processor stores whole panels.
      c->cost.out += rows * (o_.gpu ? m.rows : RoundUp(m.rows, kPanelRows)) * o_.activation_bytes;
      if (op.add_to_out) c->cost.in += rows * m.rows * o_.activation_bytes;
      if (o_.lora_rank == 0 || !of_layer) continue;
      const double width = static_cast<double>(m.rows) + m.cols;
      c->cost.flops += 2 * rows * o_.lora_rank * width;
      c->done += 2 * rows * o_.lora_rank * width;
      c->cost.weights += 2.0 * o_.lora_adapters * o_.lora_rank * width;  // float16
      c->cost.in += rows * o_.lora_rank * o_.activation_bytes;
      c->cost.out += rows * o_.lora_rank * o_.activation_bytes;
    }
  }

  // What a processor's kernel does for a multiply-add, beside a plain one.
  double DotEffort(const WeightFormat* format) const {
    if (o_.gpu || format == nullptr) return 1;
    const double effort = cpu::BestKernels().linear[static_cast<size_t>(format->id())].int8_effort;
    return effort > 0 ? effort : 1;
  }

  // How often each weight is unpacked: while it is read, by tiles of few rows, or once for a block of many. A GPU does so
  // beside a product of few rows (`expanded`), and beforehand for one of many (`direct`); for up to eight it has the time.
  struct Unpackings {
    double direct = 0, expanded = 0;
  };
  Unpackings UnpackingsOf(uint64_t rows, uint32_t cols, bool packed) const {
    const auto blocks = [&](uint64_t block) {
      return static_cast<double>(CeilDiv<uint64_t>(rows, block));
    };
    if (o_.gpu && (!packed || rows <= cuda::kGemvRows)) return {};
    if (o_.gpu && rows > cuda::kManyMost) return {1, 0};
    if (o_.gpu) return {0, rows <= cuda::kNarrowRows ? 1 : blocks(cuda::kManyRows)};
    if (rows > (packed ? cpu::kDirectRows : 1)) return {0, blocks(cpu::RowBlock(cols))};
    return {packed ? static_cast<double>(Tiles(rows)) : 0, 0};
  }

  // Keys and values are read once by so many query vectors of their head as the kernel holds at once.
  void Attend(const Op& op, OpCost* c) const {
    c->unit = Unit::kAttention;
    const uint32_t window = spec_.layer_window(op.layer);
    if (window != 0) c->name = fmt::format("attend, window {}", window);
    const bool budgeted = o_.budget != 0 && window == 0 && spec_.causal;
    const auto& all = work_.sequences;
    for (size_t i = 0, alike = 0; i < all.size(); i += alike) {
      const SequenceWork& s = all[i];
      for (alike = 1; i + alike < all.size() && all[i + alike] == s;) ++alike;
      const auto times = static_cast<double>(alike);
      double pairs = Pairs(s, spec_.causal, window);
      uint64_t seen = s.cached + s.rows;  // positions that the last query sees
      if (budgeted && seen > o_.budget) {
        const double centroids = o_.centroids * static_cast<double>(seen);
        pairs = std::min(pairs, static_cast<double>(o_.budget) * s.rows);
        seen = o_.budget;
        c->cost.flops += times * 2 * centroids * spec_.q_width() * s.rows;
        c->cost.kv_read += times * centroids * AppendedBytes() / 2;
      }
      c->cost.flops += times * pairs * (4.0 * spec_.q_width() + kSoftmaxOps * spec_.heads);
      if (budgeted) {
        c->cost.kv_read += times * Passes(s) * ReadBytes(0, seen);
      } else {
        ForTiles(spec_, s, window, Tile(s), [&](uint64_t begin, uint64_t end) {
          c->cost.kv_read += times * ReadBytes(begin, end);
        });
      }
    }
    if (!o_.gpu) AttendOnProcessor(window, c);
    c->cost.in = Bytes(Slot::kQ);
    c->cost.out = Bytes(Slot::kAttention);
  }
  // Query vectors of one reading: of all where the cache keeps what was read.
  uint64_t Tile(const SequenceWork& s) const {
    return o_.attention_tile != 0 ? o_.attention_tile : uint64_t{s.rows} * spec_.group();
  }
  uint32_t Passes(const SequenceWork& s) const {
    return static_cast<uint32_t>(CeilDiv<uint64_t>(uint64_t{s.rows} * spec_.group(), Tile(s)));
  }
  void AttendOnProcessor(uint32_t window, OpCost* c) const {
    const AttendWork w = AttendWorkOf(spec_, work_, codec_, window);
    const auto count = [](double n) { return static_cast<uint32_t>(std::clamp(n, 1.0, 1e9)); };
    c->done = std::max(2 * w.multiplies + w.weights, c->cost.flops);
    c->beside = w.elements;
    c->unpacked = w.passes;
    c->fresh = w.fresh;
    c->pieces = w.serial ? 1 : count(w.units);
    c->blocks = w.serial ? 1 : count(w.blocks);
  }
  // Keys and values of positions [begin, end) of all heads of a layer, as they are read: from the block's first position on,
  // keys and scales 16 positions at a time.
  double ReadBytes(uint64_t begin, uint64_t end) const {
    const uint64_t from = begin / kBlockTokens * kBlockTokens;
    const auto whole = static_cast<double>(RoundUp<uint64_t>(end, 16) - from);
    const double keys = whole * spec_.head_dim * codec_.element_bytes;
    const double values = static_cast<double>(end - from) * KvCodec::PaddedHead(spec_.head_dim) *
                          codec_.element_bytes;
    const double scales = codec_.scaled ? 2 * whole * sizeof(float) : 0;
    return spec_.kv_heads * (keys + values + scales);
  }
  // Of one position, written: values to the end of their panel.
  double AppendedBytes() const {
    const double elements = spec_.head_dim + KvCodec::PaddedHead(spec_.head_dim);
    const double scales = codec_.scaled ? 2 * sizeof(float) : 0;
    return spec_.kv_heads * (elements * codec_.element_bytes + scales);
  }

  void Append(OpCost* c) const {
    c->cost.flops = spec_.rotary ? kRopeOps * rows_ * spec_.kv_width() : 0;
    c->cost.in = 2 * rows_ * spec_.kv_width() * o_.activation_bytes;
    // A processor rotates keys where they lie, a GPU on their way.
    if (spec_.rotary && !o_.gpu) c->cost.out = rows_ * spec_.kv_width() * o_.activation_bytes;
    c->cost.kv_written = rows_ * AppendedBytes();
    if (!o_.gpu) c->unpacked = rows_ * spec_.kv_width();
  }

  void Elements(const Op& op, double ops, double inputs, OpCost* c) const {
    const Slot out = op.out == Slot::kNone ? op.in : op.out;
    const double elements = Rows(out) * SlotWidth(spec_, out);
    c->cost.flops = ops * elements;
    c->cost.in = inputs * elements * o_.activation_bytes;
    c->cost.out = elements * o_.activation_bytes;
  }

  const ModelSpec& spec_;
  const Matrices& matrices_;
  const Workload& work_;
  const CostOptions& o_;
  const KvCodec& codec_;
  const double rows_;
};

Matrices::Matrix MatrixOf(const WeightFormat& format, uint32_t rows, uint32_t cols,
                          bool fragments) {
  Matrices::Matrix m = {rows, cols, &format, 0, 0};
  if (fragments && FragmentsOf(format.id()).record_strips != 0) {
    m.bytes = static_cast<double>(FragmentMatrix{format.id(), rows, cols, nullptr}.bytes());
    m.read = m.bytes;
    return m;
  }
  const auto panels = static_cast<double>(CeilDiv(rows, kPanelRows));
  const uint64_t panel = format.panel_bytes(cols);
  m.bytes = panels * static_cast<double>(RoundUp<uint64_t>(panel, 64));
  m.read = panels * static_cast<double>(panel);
  return m;
}

}  // namespace

Cost& Cost::operator+=(const Cost& o) {
  flops += o.flops;
  weights += o.weights;
  in += o.in;
  out += o.out;
  kv_read += o.kv_read;
  kv_written += o.kv_written;
  return *this;
}

Cost OpCost::total() const {
  Cost c = cost;
  for (double* v : {&c.flops, &c.weights, &c.in, &c.out, &c.kv_read, &c.kv_written}) *v *= layers;
  return c;
}

Matrices::Matrices(const ModelSpec& spec, const std::vector<WeightDecl>& decls,
                   const std::vector<const WeightFormat*>& formats, bool fragments)
    : spec_(spec), matrices_(size_t{kWeightRoles} * spec.layers) {
  for (size_t i = 0; i < decls.size(); ++i) Add(decls[i], formats[i], fragments);
}

Matrices::Matrices(const ModelSpec& spec, const WeightFormat& format, bool fragments)
    : spec_(spec), matrices_(size_t{kWeightRoles} * spec.layers) {
  for (const WeightDecl& d : WeightsOf(spec, ConfigView::Naming::kHuggingFace))
    Add(d, &format, fragments);
}

void Matrices::Add(const WeightDecl& d, const WeightFormat* format, bool fragments) {
  const double elements = static_cast<double>(d.rows) * d.cols;
  parameters_ += elements;
  if (!IsMatrix(d.ref.role)) {
    bytes_ += elements * sizeof(float);
    return;
  }
  Matrix& m = matrices_[static_cast<size_t>(d.ref.role) * spec_.layers + d.ref.layer];
  m = MatrixOf(*format, d.rows, d.cols, fragments);
  bytes_ += m.bytes;
}

const Matrices::Matrix& Matrices::of(WeightRef ref) const {
  if (ref.role == WeightRole::kHead && spec_.tied_head) ref.role = WeightRole::kEmbedding;
  return matrices_[static_cast<size_t>(ref.role) * spec_.layers + ref.layer];
}

double Pairs(const SequenceWork& s, bool causal, uint32_t window) {
  const double rows = s.rows;
  if (!causal) return rows * (s.cached + rows);
  const auto up_to = [](double n) { return n * (n + 1) / 2; };  // 1 + 2 + ... + n
  const double all = up_to(s.cached + rows) - up_to(s.cached);
  if (window == 0 || s.cached + s.rows <= window) return all;
  const double w = window;
  const double inside =
      std::max(0.0, std::min(rows, w - s.cached));  // queries that see less than a window
  return up_to(s.cached + inside) - up_to(s.cached) + (rows - inside) * w;
}

std::vector<OpCost> PriceEach(const ModelSpec& spec, const Matrices& matrices, const Workload& work,
                              const CostOptions& options) {
  const Pricer pricer(spec, matrices, work, options);
  std::vector<OpCost> ops;
  for (const Op& op : Fuse(BuildOps(spec))) ops.push_back(pricer.Of(op));
  if (options.gpu) ops = MergedAsOnGpu(std::move(ops), spec, work);
  double bytes = 0;
  for (const OpCost& op : ops) bytes += op.cost.weights + op.cost.kv_read + op.cost.kv_written;
  for (OpCost& op : ops) op.step_bytes = bytes;
  return ops;
}

std::vector<OpCost> Price(const ModelSpec& spec, const Matrices& matrices, const Workload& work,
                          const CostOptions& options) {
  std::vector<OpCost> priced;
  for (OpCost& c : PriceEach(spec, matrices, work, options)) {
    const auto same = std::find_if(priced.begin(), priced.end(), [&](const OpCost& p) {
      return p.name == c.name && p.rows == c.rows && p.cost.flops == c.cost.flops &&
             p.cost.bytes() == c.cost.bytes();
    });
    if (same != priced.end()) {
      ++same->layers;
    } else {
      priced.push_back(std::move(c));
    }
  }
  return priced;
}

Cost Total(const std::vector<OpCost>& ops) {
  Cost total;
  for (const OpCost& op : ops) total += op.total();
  return total;
}

double CacheBytes(const ModelSpec& spec, const KvCodec& codec) {
  return static_cast<double>(spec.layers) * codec.layer_bytes(spec.kv_heads, spec.head_dim) /
         kBlockTokens;
}

}  // namespace wring::analyze
