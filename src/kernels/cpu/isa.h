// The CPU kernels of one instruction set, and which sets this machine has. The registry (registry.h)
// lists them; the executor calls through the table of the set chosen once at start.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/cpu/attend.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/linear.h"
#include "kv/codec/codec.h"

namespace wring::cpu {

enum class Isa : uint8_t { kAvx2, kAvx512, kNeon };

struct LinearKernels {
  Int8LinearFn int8 = nullptr;  // null for plain types
  F32LinearFn f32 = nullptr;
  double int8_effort = 0;  // instructions a multiply-add, beside those of a plain int8 dot product
};

struct Kernels {
  Isa isa = Isa::kAvx2;
  std::string_view name;
  uint32_t widest_tile = 1;  // activation rows a tile
  LinearKernels linear[kFormatCount];
  AttendKernels attend[kCodecCount];
  ElementwiseKernels elementwise;
};

// The sets this processor can run, best first.
const std::vector<Isa>& SupportedIsas();
std::string_view IsaName(Isa isa);
// The table of a supported set.
const Kernels& KernelsFor(Isa isa);
// The best one, or what WRING_ISA names (avx2, avx512, neon) where the machine has it.
const Kernels& BestKernels();

}  // namespace wring::cpu
