// 8-bit floats (E4M3: sign, 4 bits of exponent with bias 7, 3 of mantissa; no infinity, S1111111 is NaN) with a
// scale a group of columns.
#pragma once

#include <cstdint>
#include <cstring>

namespace wring::fp8 {

template <uint32_t kGroup>
struct Block {
  float scale;
  uint8_t q[kGroup];
};

// Packed for 16 rows: a column is 16 neighbouring bytes, so that widening is one load a vector.
template <uint32_t kGroup>
struct Packed {
  float scale[16];
  struct Tile {
    uint8_t q[32][16];
  } tile[kGroup / 32];
};
static_assert(sizeof(Block<32>) == 36 && sizeof(Block<128>) == 132);
static_assert(sizeof(Packed<32>) == 16 * sizeof(Block<32>));
static_assert(sizeof(Packed<128>) == 16 * sizeof(Block<128>));

// The 7 bits below the sign, moved under float32's exponent, are the value times 2^-120.
inline float Value(uint8_t code) {
  const uint32_t bits =
      static_cast<uint32_t>(code & 0x80) << 24 | static_cast<uint32_t>(code & 0x7f) << 20;
  float value;
  std::memcpy(&value, &bits, 4);
  return value * 0x1p120F;
}
inline bool IsNan(uint8_t code) { return (code & 0x7f) == 0x7f; }

}  // namespace wring::fp8
