// The one registry (contract 3): which (op, weight format, KV codec, device) has a kernel, and what that
// kernel costs. A model is checked against it when it loads; a combination that is not here is an error
// then, with the list of what exists, and never a silent fallback.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/op_kind.h"
#include "kv/codec/codec.h"
#include "quant/weight_format.h"

namespace wring {

// Arithmetic of a linear kernel: int8 activations, float32 (--exact, and plain weights on the CPU), or float16 with
// float32 sums (the GPU).
enum class Arithmetic : uint8_t { kInt8, kF32, kF16 };

struct KernelEntry {
  OpKind op = OpKind::kLinear;
  std::optional<FormatId> format;        // kLinear, kEmbed
  std::optional<Arithmetic> arithmetic;  // kLinear
  std::optional<CodecId> codec;          // kKvAppend, kAttend
  std::string device;                    // "cpu/avx512", "cuda"
  uint32_t tile_rows = 1;                // rows computed per pass over the weights
  double bytes_per_weight = 0;           // really read, packed
};

class KernelRegistry {
 public:
  static const KernelRegistry& Get();
  const std::vector<KernelEntry>& entries() const { return entries_; }
  // The kernel for this key, or kUnsupported naming what exists for the op on the device.
  Result<const KernelEntry*> Find(const KernelEntry& key) const;

 private:
  KernelRegistry();
  std::vector<KernelEntry> entries_;
};

std::string ToString(const KernelEntry& entry);

}  // namespace wring
