// The loops that roofs.cc times, one set an instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/cpu/isa.h"

namespace wring::bench {

inline constexpr int kReadPatterns = 6;     // streams 1, 2, 4, each without and with prefetch
inline constexpr size_t kReadGrain = 1024;  // bytes of a stream come in multiples of this

struct RoofKernels {
  // Reads all of `bytes` (a multiple of 4 * kReadGrain); the result depends on each byte.
  uint64_t (*read[kReadPatterns])(const std::byte* from, size_t bytes) = {};
  // `rounds` times kChains dependent steps; each returns something that depends on all of it.
  uint64_t (*int8)(uint64_t rounds) = nullptr;
  uint64_t (*narrow)(uint64_t rounds) = nullptr;
  uint64_t (*fp32)(uint64_t rounds) = nullptr;
  double int8_ops = 0, narrow_ops = 0, fp32_ops = 0;  // operations a round
  int bits = 0;                                       // of a vector
};

RoofKernels RoofKernelsFor(cpu::Isa isa);
std::string PatternName(int pattern, int bits);

}  // namespace wring::bench
