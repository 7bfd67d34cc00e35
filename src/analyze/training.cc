#include "analyze/training.h"

#include "analyze/cost.h"

namespace wring::analyze {
namespace {

// Bytes of one layer's ops that the backward pass needs.
double SavedBytes(const ModelSpec& spec, const std::vector<Op>& ops, uint32_t layer,
                  const TrainingOptions& o) {
  const double rows = static_cast<double>(o.batch) * o.length;
  const auto saved = [&](Slot slot) { return rows * SlotWidth(spec, slot) * o.activation_bytes; };
  double bytes = 0;
  Slot last = Slot::kNone;  // what the product before read: kept once
  for (const Op& op : ops) {
    if (op.layer != layer) {
      last = Slot::kNone;
      continue;
    }
    switch (op.kind) {
      case OpKind::kLinear:
        if (op.in != last) bytes += saved(op.in);
        last = op.in;
        if (op.add_to_out && o.dropout) bytes += rows * SlotWidth(spec, op.parts[0].out);
        continue;
      case OpKind::kAttend: {
        bytes += saved(Slot::kQ) + saved(Slot::kK) + saved(Slot::kV);
        const double weights = rows * o.length * spec.heads;
        bytes += weights * o.activation_bytes;
        if (o.dropout) bytes += weights * (1 + o.activation_bytes);
        break;
      }
      case OpKind::kRmsNorm:
      case OpKind::kLayerNorm:
      case OpKind::kHeadNorm:
      case OpKind::kGelu: bytes += saved(op.in); break;
      case OpKind::kSiluMul:
      case OpKind::kGeluMul: bytes += saved(Slot::kGate) + saved(Slot::kUp); break;
      default: break;
    }
    last = Slot::kNone;
  }
  return bytes;
}

}  // namespace

TrainingCost PriceTraining(const ModelSpec& spec, const TrainingOptions& o) {
  const std::vector<Op> ops = BuildOps(spec);
  TrainingCost c;
  const Matrices matrices(spec, Format(FormatId::kF32), false);
  c.parameters = matrices.parameters();
  c.parameter_bytes = c.parameters * o.parameter_bytes;
  c.gradient_bytes = c.parameters * o.gradient_bytes;
  c.optimizer_bytes = c.parameters * o.optimizer_bytes;
  double most = 0;
  for (uint32_t l = 0; l < spec.layers; ++l) {
    const double bytes = SavedBytes(spec, ops, l, o);
    c.activation_bytes += bytes;
    most = std::max(most, bytes);
  }
  const double input = static_cast<double>(o.batch) * o.length * spec.hidden * o.activation_bytes;
  c.rematerialized_bytes = spec.layers * input + most;
  CostOptions options;
  options.activation_bytes = o.activation_bytes;
  Workload work = Prefill(o.batch, o.length);
  for (SequenceWork& s : work.sequences) s.logits = s.rows;  // every token has a loss
  double forward = 0;
  double of_layers = 0;
  for (const OpCost& op : Price(spec, matrices, work, options)) {
    forward += op.total().flops;
    if (op.name != "head") of_layers += op.total().flops;
  }
  c.flops = 3 * forward;
  c.rematerialized_flops = c.flops + of_layers;
  return c;
}

}  // namespace wring::analyze
