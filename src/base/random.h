// Random bits that nobody can guess, for ids and seeds.
#pragma once

#include <sys/random.h>

#include <array>
#include <cstdint>

namespace wring {

inline std::array<uint64_t, 2> RandomBits() {
  std::array<uint64_t, 2> bits{};
  // Requests of up to 256 bytes come whole once the kernel's generator is up, which it is before any user's process.
  while (getrandom(bits.data(), sizeof bits, 0) != sizeof bits) {
  }
  return bits;
}

}  // namespace wring
