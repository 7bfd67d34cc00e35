// Checked unsigned arithmetic for numbers that come from outside (contract 9).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace wring {

// Both return false on overflow and leave *out unspecified.
inline bool CheckedMul(uint64_t a, uint64_t b, uint64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}
inline bool CheckedAdd(uint64_t a, uint64_t b, uint64_t* out) {
  return !__builtin_add_overflow(a, b, out);
}

// Rounds `n` up to a multiple of `step` (step > 0); for numbers of our own that cannot overflow.
template <std::unsigned_integral T>
constexpr T RoundUp(T n, T step) {
  return (n + step - 1) / step * step;
}
template <std::unsigned_integral T>
constexpr T CeilDiv(T n, T d) {
  return (n + d - 1) / d;
}

}  // namespace wring
