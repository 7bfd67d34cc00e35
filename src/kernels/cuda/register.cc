#include "kernels/cuda/register.h"

#include "kernels/cuda/kernels.h"
#include "quant/fragments/fragments.h"

namespace wring::cuda {

void AddKernels(std::vector<KernelEntry>* entries) {
  KernelEntry base;
  base.device = "cuda";
  for (size_t f = 0; f < kFormatCount; ++f) {
    KernelEntry e = base;
    e.format = static_cast<FormatId>(f);
    if (LinearOf(*e.format).gemv == nullptr) continue;
    const FragmentLayout& layout = FragmentsOf(*e.format);
    e.bytes_per_weight =
        layout.record_bytes / static_cast<double>(layout.record_strips * kStripCols * kPanelRows);
    e.op = OpKind::kEmbed;
    entries->push_back(e);
    e.op = OpKind::kLinear;
    e.arithmetic = Arithmetic::kF16;
    e.tile_rows = kGemvRows;
    entries->push_back(e);
  }
  for (CodecId codec : {CodecId::kF16, CodecId::kI8}) {
    KernelEntry e = base;
    e.codec = codec;
    e.op = OpKind::kKvAppend;
    entries->push_back(e);
    e.op = OpKind::kAttend;
    e.tile_rows = 16;
    entries->push_back(e);
  }
  for (OpKind op : {OpKind::kRmsNorm, OpKind::kHeadNorm, OpKind::kRope, OpKind::kSiluMul,
                    OpKind::kGeluMul, OpKind::kAdd, OpKind::kSelect, OpKind::kSoftCap}) {
    KernelEntry e = base;
    e.op = op;
    entries->push_back(e);
  }
}

}  // namespace wring::cuda
