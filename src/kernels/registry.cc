#include "kernels/registry.h"

#include "kernels/cpu/isa.h"
#ifdef WRING_CUDA
#include "kernels/cuda/register.h"
#endif

namespace wring {
namespace {

// The bytes a packed panel has for each of its weights, over a row long enough to hide rounding.
double BytesPerWeight(FormatId id) {
  constexpr uint64_t kCols = 4096;
  return static_cast<double>(Format(id).panel_bytes(kCols)) / (kCols * kPanelRows);
}

void AddCpu(cpu::Isa isa, std::vector<KernelEntry>* entries) {
  const cpu::Kernels& k = cpu::KernelsFor(isa);
  KernelEntry base;
  base.device = fmt::format("cpu/{}", k.name);
  for (size_t f = 0; f < kFormatCount; ++f) {
    KernelEntry e = base;
    e.format = static_cast<FormatId>(f);
    e.bytes_per_weight = BytesPerWeight(*e.format);
    e.op = OpKind::kEmbed;
    entries->push_back(e);
    e.op = OpKind::kLinear;
    e.tile_rows = k.widest_tile;
    if (k.linear[f].int8 != nullptr) {
      e.arithmetic = Arithmetic::kInt8;
      entries->push_back(e);
    }
    if (k.linear[f].f32 != nullptr) {
      e.arithmetic = Arithmetic::kF32;
      entries->push_back(e);
    }
  }
  for (size_t c = 0; c < kCodecCount; ++c) {
    KernelEntry e = base;
    e.codec = static_cast<CodecId>(c);
    e.op = OpKind::kKvAppend;
    if (k.attend[c].append != nullptr) entries->push_back(e);
    e.op = OpKind::kAttend;
    e.tile_rows = cpu::kAttendTile;
    if (k.attend[c].block != nullptr) entries->push_back(e);
  }
  for (OpKind op : {OpKind::kRmsNorm, OpKind::kLayerNorm, OpKind::kHeadNorm, OpKind::kRope,
                    OpKind::kSiluMul, OpKind::kGeluMul, OpKind::kGelu, OpKind::kAdd,
                    OpKind::kSelect, OpKind::kSoftCap, OpKind::kPool}) {
    KernelEntry e = base;
    e.op = op;
    entries->push_back(e);
  }
}

}  // namespace

KernelRegistry::KernelRegistry() {
  for (cpu::Isa isa : cpu::SupportedIsas()) AddCpu(isa, &entries_);
#ifdef WRING_CUDA
  cuda::AddKernels(&entries_);
#endif
}

const KernelRegistry& KernelRegistry::Get() {
  static const KernelRegistry registry;
  return registry;
}

Result<const KernelEntry*> KernelRegistry::Find(const KernelEntry& key) const {
  std::string others;
  for (const auto& e : entries_) {
    if (e.op != key.op || e.device != key.device) continue;
    if (e.format == key.format && e.codec == key.codec && e.arithmetic == key.arithmetic) return &e;
    others += fmt::format("{}{}", others.empty() ? "" : "; ", ToString(e));
  }
  return Error(Code::kUnsupported, "no kernel for {}: there is {}", ToString(key),
               others.empty() ? "none for this op and device" : others);
}

std::string ToString(const KernelEntry& e) {
  std::string text = fmt::format("{} on {}", OpName(e.op), e.device);
  if (e.format) text += fmt::format(", weights {}", Format(*e.format).name());
  if (e.arithmetic) {
    text += *e.arithmetic == Arithmetic::kInt8  ? ", int8"
            : *e.arithmetic == Arithmetic::kF16 ? ", float16"
                                                : ", float32";
  }
  if (e.codec) text += fmt::format(", KV {}", Codec(*e.codec).name);
  return text;
}

}  // namespace wring
