// 4-bit integers with a scale and a zero point a group of columns: what GPTQ, AWQ and compressed-tensors files hold,
// each in its own order. Their readers (quant/checkpoint) bring rows into one stored layout.
//   w = scale * (code - zero)
#pragma once

#include <cstdint>

namespace wring::int4 {

// Stored: one group of `kGroup` columns of one row.
template <uint32_t kGroup>
struct __attribute__((packed)) Block {
  float scale;
  uint8_t zero;
  uint8_t q[kGroup / 2];  // tile t, byte j: low nibble column 32 t + j, high nibble 32 t + 16 + j
};

// Packed for 16 rows; q4 as in quant/gguf/blocks.h.
template <uint32_t kGroup>
struct Packed {
  float scale[16];
  uint8_t zero[16];
  struct Tile {
    uint8_t q4[4][16][4];
  } tile[kGroup / 32];
};
static_assert(sizeof(Block<32>) == 21 && sizeof(Block<128>) == 69);
static_assert(sizeof(Packed<32>) == 16 * sizeof(Block<32>));
static_assert(sizeof(Packed<128>) == 16 * sizeof(Block<128>));

}  // namespace wring::int4
