#include "model/op_list.h"

#include "model/arch/architecture.h"
#include "model/placement.h"
#include "model/shard.h"

namespace wring {

uint32_t SlotWidth(const ModelSpec& spec, Slot slot) {
  switch (slot) {
    case Slot::kNone: return 0;
    case Slot::kHidden:
    case Slot::kNormed:
    case Slot::kBranch:
    case Slot::kSelected: return spec.hidden;
    case Slot::kQ:
    case Slot::kAttention: return spec.q_width();
    case Slot::kK:
    case Slot::kV: return spec.kv_width();
    case Slot::kGate:
    case Slot::kUp: return spec.ffn;
    case Slot::kLogits: return spec.outputs();
    case Slot::kAttentionAll:
    case Slot::kFfnAll: return spec.sharding.divided() ? SlicesOf(spec, slot).back().end() : 0;
  }
  return 0;
}

std::vector<Op> BuildOps(const ModelSpec& spec) {
  const Architecture* arch = FindArchitecture(spec.architecture);
  assert(arch != nullptr);
  return PlacedOps(ShardOps(arch->ops(spec), spec), spec);
}

std::vector<Op> Fuse(std::vector<Op> ops) {
  std::vector<Op> fused;
  for (auto& op : ops) {
    if (op.kind == OpKind::kLinear && !fused.empty()) {
      Op& last = fused.back();
      if (last.kind == OpKind::kLinear && last.in == op.in && !last.add_to_out && !op.add_to_out) {
        last.parts.insert(last.parts.end(), op.parts.begin(), op.parts.end());
        continue;
      }
    }
    fused.push_back(std::move(op));
  }
  return fused;
}

std::string_view MatrixName(WeightRole role) {
  switch (role) {
    case WeightRole::kQ: return "q";
    case WeightRole::kK: return "k";
    case WeightRole::kV: return "v";
    case WeightRole::kO: return "o";
    case WeightRole::kGate: return "gate";
    case WeightRole::kUp: return "up";
    case WeightRole::kDown: return "down";
    default: return "head";
  }
}

std::string ToString(const Op& op) {
  static constexpr std::string_view kNames[] = {"-",        "hidden", "normed",   "q",      "k",
                                                "v",        "attn",   "branch",   "gate",   "up",
                                                "selected", "logits", "attn_all", "ffn_all"};
  const auto name = [](Slot s) { return kNames[static_cast<size_t>(s)]; };
  std::string line = fmt::format("{} layer={} in={}", OpName(op.kind), op.layer, name(op.in));
  if (op.in2 != Slot::kNone) line += fmt::format(",{}", name(op.in2));
  if (op.in3 != Slot::kNone) line += fmt::format(",{}", name(op.in3));
  if (op.kind != OpKind::kLinear) return line + fmt::format(" out={}", name(op.out));
  for (const auto& p : op.parts) {
    line += fmt::format(" out={}{}{}", name(p.out), p.has_bias ? "+bias" : "",
                        op.add_to_out ? "+=" : "");
  }
  return line;
}

}  // namespace wring
