// The generator's random numbers: pure functions of the seed, of what they are for and of an index, so that request
// 1,734 of a run is the same whatever came before it and on every machine.
#pragma once

#include <cstdint>

#include "base/rng.h"

namespace wring::load {

enum class Stream : uint32_t {
  kTokens = 1,  // of a prompt
  kPrefix,      // of the shared prefix
  kBlock,       // of a trace's prefix block
  kArrival,
  kVanish,
  kSlow,
  kPick,  // which of the distinct prompts
};

// Four words for (stream, index, n).
constexpr std::array<uint32_t, 4> Words(uint64_t seed, Stream stream, uint64_t index, uint32_t n) {
  return Philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                 static_cast<uint32_t>(stream), n},
                seed);
}

// Uniform in (0, 1), never 0 or 1.
constexpr double Unit(uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

}  // namespace wring::load
