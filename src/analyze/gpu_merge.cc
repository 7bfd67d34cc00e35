#include "analyze/gpu_merge.h"

#include <algorithm>

#include "base/checked.h"
#include "kernels/cuda/kernels.h"
#include "quant/fragments/fragments.h"

namespace wring::analyze {
namespace {

// `first` and then `op` in one launch: what lies between them is neither written nor read.
OpCost Joined(const OpCost& first, const OpCost& then, std::string name) {
  OpCost op = then;
  const double between = std::min(first.cost.out, op.cost.in);
  op.name = std::move(name);
  op.cost += first.cost;
  op.cost.in -= between;
  op.cost.out -= std::min(first.cost.out, between);
  return op;
}

bool IsNorm(const OpCost& op) {
  return op.kind == OpKind::kRmsNorm || op.kind == OpKind::kLayerNorm;
}
// A product that norms its input itself.
bool Fuses(const OpCost& product, const ModelSpec& spec) {
  const auto rows = static_cast<uint32_t>(std::min<uint64_t>(product.rows, UINT32_MAX));
  return cuda::FusesNorm(rows, CeilDiv(spec.hidden, kStripCols));
}
bool BeforeCache(const OpCost& op) {
  return op.kind == OpKind::kHeadNorm || op.kind == OpKind::kRope || op.kind == OpKind::kKvAppend;
}

}  // namespace

std::vector<OpCost> MergedAsOnGpu(std::vector<OpCost> ops, const ModelSpec& spec,
                                  const Workload& work) {
  const bool few = std::all_of(work.sequences.begin(), work.sequences.end(),
                               [](const SequenceWork& s) { return s.rows <= cuda::kFusedRows; });
  std::vector<OpCost> launches;
  for (OpCost& op : ops) {
    if (launches.empty()) {
      launches.push_back(std::move(op));
      continue;
    }
    OpCost& last = launches.back();
    const bool gate = op.kind == OpKind::kSiluMul || op.kind == OpKind::kGeluMul;
    if (op.kind == OpKind::kLinear && IsNorm(last) && Fuses(op, spec)) {
      last = Joined(last, op, "norm, " + op.name);
    } else if (IsNorm(op) && last.kind == OpKind::kSelect) {
      last = Joined(last, op, op.name);
    } else if (gate && last.kind == OpKind::kLinear) {
      const OpCost product = last;
      last = Joined(product, op, product.name + ", gate");
      last.unit = product.unit;
      last.kind = product.kind;
      last.rows = product.rows;
      last.beside = product.beside;
      last.expanded = product.expanded;
    } else if (BeforeCache(op) && BeforeCache(last)) {
      last = Joined(last, op, "rope, append");
    } else if (op.kind == OpKind::kAttend && BeforeCache(last) && few) {
      last = Joined(last, op, "append, " + op.name);
    } else {
      launches.push_back(std::move(op));
    }
  }
  for (OpCost& op : launches) {
    if (IsNorm(op)) op.name = "norm";
  }
  return launches;
}

std::string_view PricedName(std::string_view launch) {
  return launch == "rope, append, attend" ? std::string_view("append, attend") : launch;
}

}  // namespace wring::analyze
