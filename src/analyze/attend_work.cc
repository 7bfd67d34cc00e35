#include "analyze/attend_work.h"

#include "kernels/cpu/isa.h"

namespace wring::analyze {
namespace {

constexpr double kWeightOps = 72;
constexpr uint32_t kPanel = 16;  // keys, or values of a head, that lie together

// Runs over the first `tokens` positions of a block for one tile of `queries`.
double PassesOf(uint64_t tokens, uint64_t queries, uint32_t padded, const cpu::AttendKernels& k) {
  const uint64_t at_once = k.panels_at_once(static_cast<uint32_t>(queries));
  return static_cast<double>(CeilDiv(CeilDiv<uint64_t>(tokens, kPanel), at_once) +
                             CeilDiv<uint64_t>(padded / kPanel, at_once));
}

// Of one sequence and one head of keys.
AttendWork OfSequence(const ModelSpec& spec, const SequenceWork& s, const KvCodec& codec,
                      uint32_t window) {
  const cpu::AttendKernels& kernels = cpu::BestKernels().attend[static_cast<size_t>(codec.id)];
  const uint32_t padded = KvCodec::PaddedHead(spec.head_dim);
  const uint64_t vectors = uint64_t{s.rows} * spec.group();
  AttendWork w;
  uint64_t at = 0;
  ForTiles(spec, s, window, cpu::kAttendTile, [&](uint64_t begin, uint64_t end) {
    const uint64_t queries = std::min<uint64_t>(cpu::kAttendTile, vectors - at);
    const uint64_t from = begin / kBlockTokens * kBlockTokens;
    const double keys = static_cast<double>(RoundUp<uint64_t>(end, kPanel) - from);
    const double values = static_cast<double>(end - from);
    const double blocks = static_cast<double>(CeilDiv<uint64_t>(end - from, kBlockTokens));
    w.multiplies += static_cast<double>(queries) * (keys * spec.head_dim + values * padded);
    w.weights += kWeightOps * kBlockTokens * static_cast<double>(queries) * blocks;
    w.units += 1;
    w.blocks += blocks;
    if (at == 0) {
      const uint64_t fresh = std::clamp<uint64_t>(s.cached, from, end);
      const uint64_t whole = (fresh - from) / kBlockTokens;
      w.passes = static_cast<double>(whole) * PassesOf(kBlockTokens, queries, padded, kernels);
      if (const uint64_t rest = (fresh - from) % kBlockTokens; rest != 0)
        w.passes += PassesOf(rest, queries, padded, kernels);
      const uint64_t panels = RoundUp<uint64_t>(end, kPanel) - fresh / kPanel * kPanel;
      w.elements = static_cast<double>(panels * spec.head_dim + (end - fresh) * padded);
    }
    at += cpu::kAttendTile;
  });
  return w;
}

}  // namespace

AttendWork AttendWorkOf(const ModelSpec& spec, const Workload& work, const KvCodec& codec,
                        uint32_t window) {
  AttendWork all;
  double written = 0;
  double read = 0;
  all.elements = static_cast<double>(work.rows()) * spec.q_width();
  const auto& sequences = work.sequences;
  for (size_t i = 0, alike = 0; i < sequences.size(); i += alike) {
    const SequenceWork& s = sequences[i];
    for (alike = 1; i + alike < sequences.size() && sequences[i + alike] == s;) ++alike;
    const AttendWork one = OfSequence(spec, s, codec, window);
    const double times = static_cast<double>(alike) * spec.kv_heads;
    all.multiplies += times * one.multiplies;
    all.weights += times * one.weights;
    all.units += times * one.units;
    all.blocks += times * one.blocks;
    all.passes += times * one.passes;
    all.elements += times * one.elements;
    const double seen = window == 0 ? s.cached + s.rows
                                    : std::min<double>(s.cached + s.rows, window + s.rows - 1.0);
    written += times * std::min<double>(s.rows, seen);
    read += times * seen;
  }
  if (sequences.empty()) return all;
  all.fresh = written / read;
  // As the executor decides, by the queries of its first unit.
  const uint64_t first =
      std::min<uint64_t>(uint64_t{sequences[0].rows} * spec.group(), cpu::kAttendTile);
  all.serial = all.blocks * static_cast<double>(first * kBlockTokens * spec.head_dim * 2) <=
               static_cast<double>(cpu::kSerialWork);
  return all;
}

}  // namespace wring::analyze
