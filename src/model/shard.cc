#include "model/shard.h"

#include <algorithm>
#include <numeric>

namespace wring {
namespace {

constexpr uint32_t kBlock = 256;  // columns: a multiple of every weight format's block
constexpr uint32_t kTile = 16;    // rows that kernels compute together

// `total` among ranks in whole units, as even as they allow; the last unit may be short.
std::vector<Range> Cut(uint32_t total, uint32_t ranks, uint32_t unit) {
  const uint32_t units = CeilDiv(total, unit);
  std::vector<Range> ranges;
  for (uint32_t r = 0; r < ranks; ++r) {
    const auto at = [&](uint32_t rank) {
      return std::min(total, static_cast<uint32_t>(uint64_t{units} * rank / ranks) * unit);
    };
    ranges.push_back({at(r), at(r + 1) - at(r)});
  }
  return ranges;
}

bool AllHaveSome(const std::vector<Range>& ranges) {
  return std::all_of(ranges.begin(), ranges.end(), [](Range r) { return r.count > 0; });
}

Range Scaled(Range r, uint32_t by) { return {r.first * by, r.count * by}; }

// Whole groups of KV heads, or parts of one group.
Status CutHeads(const ModelSpec& spec, uint32_t ranks, Sharding* s) {
  const uint32_t group = spec.group();
  if (ranks <= spec.kv_heads) {
    // Groups that are together whole blocks of columns, where there are enough of them.
    const uint32_t columns = group * spec.head_dim;
    const uint32_t together = std::lcm(columns, kBlock) / columns;
    const uint32_t unit =
        s->reduce_attention && CeilDiv(spec.kv_heads, together) >= ranks ? together : 1;
    s->reduce_attention &= unit == together;
    s->kv_heads = Cut(spec.kv_heads, ranks, unit);
    for (Range r : s->kv_heads) s->heads.push_back(Scaled(r, group));
    return {};
  }
  if (ranks > spec.heads || CeilDiv(ranks, spec.kv_heads) > group) {
    return Error(Code::kUnsupported,
                 "{} heads over {} KV heads cannot be cut among {} ranks: use at most {}",
                 spec.heads, spec.kv_heads, ranks, spec.kv_heads * group);
  }
  const std::vector<Range> keepers = Cut(ranks, spec.kv_heads, 1);  // ranks of a KV head
  for (uint32_t k = 0; k < spec.kv_heads; ++k) {
    for (Range part : Cut(group, keepers[k].count, 1)) {
      s->kv_heads.push_back({k, 1});
      s->heads.push_back({k * group + part.first, part.count});
    }
  }
  const auto whole = [&](Range r) { return r.first * spec.head_dim % kBlock == 0; };
  s->reduce_attention &= std::all_of(s->heads.begin(), s->heads.end(), whole);
  return {};
}

}  // namespace

Result<Sharding> Shard(const ModelSpec& spec, uint32_t rank, uint32_t ranks, bool reduce) {
  Sharding s;
  if (ranks <= 1) return s;
  s.rank = rank;
  s.reduce_attention = s.reduce_ffn = reduce;
  WRING_TRY(CutHeads(spec, ranks, &s));
  s.reduce_ffn &= CeilDiv(spec.ffn, kBlock) >= ranks;
  s.ffn = Cut(spec.ffn, ranks, s.reduce_ffn ? kBlock : kTile);
  s.hidden = Cut(spec.hidden, ranks, kTile);
  if (spec.causal) s.outputs = Cut(spec.vocab, ranks, kTile);
  const bool enough =
      AllHaveSome(s.ffn) && AllHaveSome(s.hidden) && (!spec.causal || AllHaveSome(s.outputs));
  if (!enough) {
    return Error(Code::kUnsupported,
                 "widths of {} and {} cannot be cut among {} ranks: use at most {}", spec.hidden,
                 spec.ffn, ranks, std::min(spec.hidden, spec.ffn) / kTile);
  }
  return s;
}

ModelSpec LocalSpec(const ModelSpec& spec) {
  ModelSpec local = spec;
  const Sharding& s = spec.sharding;
  if (!s.divided()) return local;
  local.heads = s.heads[s.rank].count;
  local.kv_heads = s.kv_heads[s.rank].count;
  local.ffn = s.ffn[s.rank].count;
  return local;
}

std::vector<WeightDecl> ShardWeights(std::vector<WeightDecl> weights, const ModelSpec& spec) {
  using enum WeightRole;
  const Sharding& s = spec.sharding;
  if (!s.divided()) return weights;
  for (WeightDecl& d : weights) {
    d.stored_cols = d.cols;
    const auto take_rows = [&](Range r) {
      d.first_row += r.first;
      d.rows = r.count;
    };
    const auto take_cols = [&](Range r) {
      d.first_col = r.first;
      d.cols = r.count;
    };
    const Range heads = Scaled(s.heads[s.rank], spec.head_dim);
    switch (d.ref.role) {
      case kQ:
      case kQBias: take_rows(heads); break;
      case kK:
      case kV:
      case kKBias:
      case kVBias: take_rows(Scaled(s.kv_heads[s.rank], spec.head_dim)); break;
      case kGate:
      case kUp:
      case kGateBias:
      case kUpBias: take_rows(s.ffn[s.rank]); break;
      case kO: s.reduce_attention ? take_cols(heads) : take_rows(s.hidden[s.rank]); break;
      case kDown: s.reduce_ffn ? take_cols(s.ffn[s.rank]) : take_rows(s.hidden[s.rank]); break;
      case kOBias:
        if (!s.reduce_attention) take_rows(s.hidden[s.rank]);
        break;
      case kDownBias:
        if (!s.reduce_ffn) take_rows(s.hidden[s.rank]);
        break;
      case kHead: take_rows(s.outputs[s.rank]); break;
      default: break;
    }
  }
  return weights;
}

std::vector<Op> ShardOps(std::vector<Op> ops, const ModelSpec& local) {
  const Sharding& s = local.sharding;
  if (!s.divided()) return ops;
  std::vector<Op> out;
  const auto meet = [&](OpKind kind, uint32_t layer, Slot in, Slot to) {
    Op op;
    op.kind = kind;
    op.layer = layer;
    op.in = in;
    op.out = to;
    out.push_back(std::move(op));
  };
  for (Op& op : ops) {
    if (op.kind != OpKind::kLinear) {
      out.push_back(std::move(op));
      continue;
    }
    LinearPart& part = op.parts[0];
    const uint32_t layer = op.layer;
    const Slot to = part.out;
    if (to == Slot::kLogits) {
      part.weight = {WeightRole::kHead, 0};
      part.first = s.outputs[s.rank].first;
      out.push_back(std::move(op));
      meet(OpKind::kGather, layer, to, to);
      continue;
    }
    const bool attention = part.weight.role == WeightRole::kO;
    if (!attention && part.weight.role != WeightRole::kDown) {
      out.push_back(std::move(op));
      continue;
    }
    if (attention ? s.reduce_attention : s.reduce_ffn) {
      // What is added to each sum is added once.
      if (s.rank != 0) op.add_to_out = part.has_bias = false;
      out.push_back(std::move(op));
      meet(OpKind::kReduce, layer, to, to);
      continue;
    }
    const Slot all = attention ? Slot::kAttentionAll : Slot::kFfnAll;
    meet(OpKind::kGather, layer, op.in, all);
    op.in = all;
    part.first = s.hidden[s.rank].first;
    out.push_back(std::move(op));
    meet(OpKind::kGather, layer, to, to);
  }
  return out;
}

std::vector<Range> SlicesOf(const ModelSpec& local, Slot slot) {
  const Sharding& s = local.sharding;
  switch (slot) {
    case Slot::kAttentionAll: {
      std::vector<Range> slices;
      for (Range r : s.heads) slices.push_back(Scaled(r, local.head_dim));
      return slices;
    }
    case Slot::kFfnAll: return s.ffn;
    case Slot::kLogits: return s.outputs;
    default: return s.hidden;
  }
}

}  // namespace wring
