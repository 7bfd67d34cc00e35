#include "analyze/paper.h"

#include <cmath>

#include "model/arch/architecture.h"
#include "model/op_list.h"

namespace wring::analyze {
namespace {

// [m x k] times [k x n].
PaperCost Product(double m, double k, double n, bool bias) {
  return {(bias ? 2 * k : 2 * k - 1) * m * n, m * k + k * n + m * n};
}

// One pass of `rows` tokens that see `seen` positions.
void Pass(const ModelSpec& spec, const std::vector<Op>& ops, double rows, double seen,
          PaperCosts* costs) {
  for (const Op& op : ops) {
    if (op.kind == OpKind::kAttend) {
      for (const PaperCost& c :
           {Product(rows, spec.head_dim, seen, false), Product(rows, seen, spec.head_dim, false)}) {
        costs->attention.flops += spec.heads * c.flops;
        costs->attention.mops += spec.heads * c.mops;
      }
    }
    if (op.kind != OpKind::kLinear) continue;
    for (const LinearPart& p : op.parts) {
      const WeightRole role = p.weight.role;
      if (role == WeightRole::kHead) continue;
      const bool ffn =
          role == WeightRole::kGate || role == WeightRole::kUp || role == WeightRole::kDown;
      const Slot out = p.out == Slot::kNone ? op.out : p.out;
      (ffn ? costs->ffn : costs->projections) +=
          Product(rows, SlotWidth(spec, op.in), SlotWidth(spec, out), true);
    }
  }
}

}  // namespace

PaperCost& PaperCost::operator+=(const PaperCost& o) {
  flops += o.flops;
  mops += o.mops;
  return *this;
}

PaperCost PaperCosts::all() const {
  PaperCost sum = projections;
  sum += attention;
  sum += ffn;
  return sum;
}

PaperCosts CountAsPaper(const ModelSpec& spec, uint32_t length) {
  const std::vector<Op> ops = BuildOps(spec);
  PaperCosts costs;
  if (!spec.causal) {
    Pass(spec, ops, length, length, &costs);
  } else {
    for (uint32_t t = 1; t <= length; ++t) Pass(spec, ops, 1, t, &costs);
  }
  return costs;
}

ModelSpec PlainTransformer(uint32_t layers, uint32_t hidden, uint32_t heads, uint32_t ffn,
                           bool causal) {
  ModelSpec s;
  s.architecture = "bert";
  s.causal = causal;
  s.rotary = false;
  s.layers = layers;
  s.hidden = hidden;
  s.heads = s.kv_heads = heads;
  s.head_dim = hidden / heads;
  s.ffn = ffn;
  s.vocab = 30522;
  s.positions = s.context = 512;
  s.token_types = 2;
  s.activation = Activation::kGelu;
  s.attention_scale = 1.0F / std::sqrt(static_cast<float>(s.head_dim));
  s.pooling = Pooling::kMean;
  s.qkv_bias = s.output_bias = s.ffn_bias = true;
  return s;
}

}  // namespace wring::analyze
