// CudaExecutor: what computes a product, and the room that it needs.
#include <algorithm>

#include "model/cuda/cuda_executor.h"

namespace wring {

Status CudaExecutor::ReserveForProducts() {
  uint64_t workspace = 0, expanded = 0;
  for (const Op& op : ops_) {
    uint32_t tiles = 0;
    for (const LinearPart& p : op.parts) {
      const FragmentMatrix& m = weights_.fragments(p.weight);
      tiles += m.row_tiles();
      if (!HoldsHalves(m.format) && p.out != Slot::kLogits && !options_.invariant) {
        expanded = std::max(expanded, uint64_t{m.row_tiles()} * 16 * m.strips() * kStripCols * 2);
        if (spec_.float8_activations && m.format == FormatId::kFp8G128) {
          workspace = std::max(workspace, cuda::Float8Bytes(options_.max_rows, m.cols));
        }
      }
    }
    workspace =
        std::max(workspace, cuda::SplitFloats(tiles, options_.max_rows, device_.multiprocessors()) *
                                sizeof(float));
    if (op.parts.empty() || !wgmma_) continue;
    const bool any = options_.invariant || op.in == Slot::kSelected;  // rows
    const uint32_t most = any ? options_.max_rows : std::min(options_.max_rows, cuda::kManyMost);
    const uint32_t strips = weights_.fragments(op.parts[0].weight).strips();
    workspace = std::max(workspace, cuda::ArrangedBytes(strips, most));
  }
  WRING_TRY(Reserve(workspace_, workspace));
  if (options_.max_rows > cuda::kSplitRows) WRING_TRY(Reserve(expanded_, expanded));
  return {};
}

Status CudaExecutor::RunProduct(const cuda::LinearArgs& args, FormatId format, bool head) {
  const cuda::LinearKernels& k = cuda::LinearOf(format);
  std::byte* workspace = workspace_.as<std::byte>();
  switch (ProductOf(args, format, head)) {
    case Product::kGemv: k.gemv(launcher_, args); break;
    case Product::kCodes: k.code_gemv(launcher_, args); break;
    case Product::kMany: k.many_gemm(launcher_, args, workspace); break;
    case Product::kNarrow: k.narrow_gemm(launcher_, args, workspace); break;
    case Product::kWide: k.wide_gemm(launcher_, args, workspace_.as<float>()); break;
    case Product::kGemm: k.gemm(launcher_, args, workspace_.as<float>()); break;
    case Product::kVendor: return VendorProducts(args, format, {});
  }
  return {};
}

CudaExecutor::Product CudaExecutor::ProductOf(const cuda::LinearArgs& args, FormatId format,
                                              bool head) const {
  const uint32_t rows = args.rows;
  if (gemv_ && rows <= cuda::kGemvRows) {
    const bool codes = !options_.invariant && cuda::LinearOf(format).code_gemv != nullptr &&
                       cuda::TakesCodes(rows, args.part[0].w.strips);
    return codes ? Product::kCodes : Product::kGemv;
  }
  // Without GEMV a vendor's product of few rows would not pay either.
  if (rows <= cuda::kGemvRows) return Product::kGemm;
  const uint32_t tiles = cuda::AllTiles(args);
  const uint32_t multiprocessors = launcher_.multiprocessors;
  if (options_.invariant) {
    // Of a small matrix that one gives each segment blocks of its own.
    const bool small = tiles <= 2 * multiprocessors && cuda::SplitsSegments(tiles, rows);
    return wgmma_ && !small ? Product::kMany : Product::kGemm;
  }
  const bool packed = !HoldsHalves(format);
  if (wgmma_ && rows <= cuda::kNarrowRows) return Product::kNarrow;
  // The head's rows may be odd, which the vendor's does not take.
  if (wgmma_ && (head || (packed && rows <= cuda::kManyMost)) &&
      cuda::ManyFills(tiles, rows, multiprocessors)) {
    return Product::kMany;
  }
  if (wgmma_ && packed && rows <= cuda::kWideRows) return Product::kWide;
  if (head) return Product::kGemm;
  // Packed weights must be expanded first, which pays for many rows.
  return packed && rows <= cuda::kSplitRows ? Product::kGemm : Product::kVendor;
}

// The vendor's queries, keys and values are float16 at once, as its gate and up are.
bool CudaExecutor::HasHalvesOfQkv(const Op& op, const std::vector<OneFormat>& products) const {
  if (op.parts.size() != 3 || qkv_.size() == 0) return false;
  if (op.parts[1].out != Slot::kK || op.parts[2].out != Slot::kV) return false;
  for (const LinearPart& p : op.parts) {
    if (p.has_bias) return false;
  }
  return std::all_of(products.begin(), products.end(), [&](const OneFormat& p) {
    return ProductOf(p.args, p.format, false) == Product::kVendor;
  });
}

cuda::Half* CudaExecutor::HalvesOf(Slot s) {
  const uint64_t rows = options_.max_rows;
  const uint64_t before = s == Slot::kQ   ? 0
                          : s == Slot::kK ? stride(Slot::kQ)
                                          : stride(Slot::kQ) + stride(Slot::kK);
  return const_cast<cuda::Half*>(qkv_.as<cuda::Half>()) + rows * before;
}

Status CudaExecutor::QkvHalves(const std::vector<OneFormat>& products) {
  std::vector<cuda::Half*> all = {HalvesOf(Slot::kQ), HalvesOf(Slot::kK), HalvesOf(Slot::kV)};
  for (const OneFormat& p : products) {
    WRING_TRY(VendorProducts(p.args, p.format, all));
    all.erase(all.begin(), all.begin() + p.args.parts);
  }
  return {};
}

// Whether weights of float8 are multiplied as they are, with activations of float8, of which 128 values of a row share a
// scale. Rows are padded: not where that makes them more than max_rows, for which buffers have room.
bool CudaExecutor::TakesFloat8(const cuda::LinearArgs& args, FormatId format) const {
  if (format != FormatId::kFp8G128 || !spec_.float8_activations || !vendor_->float8()) return false;
  if (RoundUp(args.rows, cuda::kFloat8Rows) > options_.max_rows) return false;
  return std::all_of(args.part, args.part + args.parts, [](const cuda::LinearArgs::Part& p) {
    return p.bias == nullptr && p.w.cols % 128 == 0 && p.w.rows % 16 == 0;
  });
}

// Of float16, weights in fewer bits expanded first, or of float8.
Status CudaExecutor::VendorProducts(const cuda::LinearArgs& args, FormatId format,
                                    const std::vector<cuda::Half*>& half_outs) {
  const bool float8 = TakesFloat8(args, format);
  cuda::Float8Matrix x;
  if (float8) {
    const uint32_t cols = args.part[0].w.cols;
    x = Float8In(workspace_, RoundUp(args.rows, cuda::kFloat8Rows), cols);
    cuda::RowsToFloat8(launcher_, args.x, args.ldx, args.rows, cols, x);
  }
  for (uint32_t i = 0; i < args.parts; ++i) {
    cuda::VendorGemm::Product p = VendorProduct(args, format, i, float8);
    if (float8) {
      p.x = x.codes;
      p.x_scales = x.scales;
      p.ldx = args.part[0].w.cols;
      p.rows = x.rows;
    }
    p.half_y = i < half_outs.size() ? half_outs[i] : nullptr;
    WRING_TRY(vendor_->Run(launcher_, p));
  }
  return {};
}

// One part, its weights expanded.
cuda::VendorGemm::Product CudaExecutor::VendorProduct(const cuda::LinearArgs& args, FormatId format,
                                                      uint32_t part_index, bool float8) {
  const cuda::LinearArgs::Part& part = args.part[part_index];
  cuda::VendorGemm::Product p;
  p.x = args.x;
  p.ldx = args.ldx;
  p.rows = args.rows;
  p.add = args.add;
  p.w = part.w.data;
  if (float8) {
    const cuda::Float8Matrix w = Float8In(expanded_, part.w.rows, part.w.cols);
    cuda::ExpandFloat8(launcher_, part.w, w);
    p.w = w.codes;
    p.w_scales = w.scales;
  } else if (!HoldsHalves(format)) {
    cuda::LinearOf(format).expand(launcher_, part.w, expanded_.as<cuda::Half>());
    p.w = expanded_.data();
  }
  p.ldw = p.inputs = part.w.strips * kStripCols;
  p.outputs = part.w.rows;
  p.bias = part.bias;
  p.y = part.out;
  p.ldy = part.ld;
  p.alpha = part.w.alpha;
  return p;
}

// All ranks must say the same.
bool CudaExecutor::SendsEarly(const OneFormat& product) const {
  // Of the vendor's. A share that does not fill a GPU of 132 multiprocessors costs more than is won.
  constexpr uint32_t kTileRows = 128;
  constexpr uint32_t kTileCols = 256;
  constexpr uint32_t kTiles = 120;
  const uint32_t tiles = CeilDiv(rows_ / spec_.sharding.ranks(), kTileRows) *
                         CeilDiv(product.args.part[0].w.rows, kTileCols);
  return !TakesFloat8(product.args, product.format) && tiles >= kTiles;
}

Status CudaExecutor::SendAndAdd(const OneFormat& product, bool alone) {
  const cuda::VendorGemm::Product all =
      VendorProduct(product.args, product.format, 0, /*float8=*/false);
  const auto run = [&](Range rows, bool mine) {
    if (rows.count == 0) return Status();
    cuda::VendorGemm::Product p = all;
    p.x = product.args.x + uint64_t{rows.first} * p.ldx;
    p.rows = rows.count;
    p.add = mine;
    p.y += uint64_t{rows.first} * p.ldy;
    if (!mine) p.half_y = meeting_->partial() + uint64_t{rows.first} * p.ldy;
    return vendor_->Run(launcher_, p);
  };
  const Range mine = meeting_->Share(rows_);
  WRING_TRY(run({0, mine.first}, false));
  WRING_TRY(run({mine.end(), rows_ - mine.end()}, false));
  if (alone) return run(mine, true);
  WRING_TRY(meeting_->Send(launcher_, rows_));
  WRING_TRY(run(mine, true));
  return meeting_->Sent(launcher_);
}

// The vendor's library may load a kernel when a product first needs it. Loading can wait for every GPU that reaches this one's
// memory, and one that already waits for this rank would never let it go on. So the products of a number of rows that is new
// are computed once before ranks meet, those of one layer, into slots that the step has yet to fill.
Status CudaExecutor::Rehearse() {
  if (vendor_ == nullptr || rows_ <= kGraphRows || !rehearsed_.insert(rows_).second) return {};
  launcher_.error = 0;
  const Op* first = nullptr;
  for (const Stage& stage : stages_) {
    if (stage.work != Work::kLinear || stage.op->in == Slot::kSelected) continue;
    if (first == nullptr) first = stage.op;
    if (stage.op->layer != first->layer) break;
    WRING_TRY(Linear(stage, /*alone=*/true));
  }
  WRING_TRY(launcher_.status());
  return device_.Synchronize();
}

cuda::Float8Matrix CudaExecutor::Float8In(Buffer& buffer, uint32_t rows, uint32_t cols) {
  auto* codes = reinterpret_cast<uint8_t*>(buffer.data());
  return {codes, reinterpret_cast<float*>(codes + uint64_t{rows} * cols), rows};
}

}  // namespace wring
