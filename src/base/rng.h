// Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
// 1, 2, 3"). A draw is a pure function of its key and counter, so no state travels with a request.
#pragma once

#include <array>
#include <cstdint>

namespace wring {

constexpr std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53U} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return counter;
}

// What a draw is for; part of its key.
enum class Draw : uint32_t { kSample = 1, kAccept = 2, kExclude = 3, kTest = 100 };

// Uniform in (0, 1), never 0 or 1: (n + 1/2) / 2^32.
constexpr double UniformFrom(uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }
constexpr double Uniform(uint64_t seed, uint32_t choice, uint32_t position, Draw purpose,
                         uint32_t index) {
  const auto words = Philox({choice, position, static_cast<uint32_t>(purpose), index}, seed);
  return UniformFrom(words[0]);
}

}  // namespace wring
