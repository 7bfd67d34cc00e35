// Unsigned codes of 32 columns of one row, as eight little-endian words (one a column group), and
// their way into and out of a packed tile. Plain word arithmetic: packing runs at several GB/s a core.
#pragma once

#include <cstdint>
#include <cstring>

#include "quant/gguf/blocks.h"

namespace wring::gguf {

struct Codes {
  uint32_t group[8];
  uint32_t at(uint32_t column) const { return (group[column / 4] >> (8 * (column % 4))) & 0xff; }
};

inline uint32_t LoadWord(const void* p) {
  uint32_t w;
  std::memcpy(&w, p, 4);
  return w;
}
inline void StoreWord(uint8_t* p, uint32_t w) { std::memcpy(p, &w, 4); }

inline void PutQ4(const Codes& c, uint32_t lane, uint8_t (*q4)[16][4]) {
  for (int v = 0; v < 4; ++v) {
    StoreWord(q4[v][lane], (c.group[v] & 0x0f0f0f0fU) | ((c.group[v + 4] & 0x0f0f0f0fU) << 4));
  }
}
inline void GetQ4(const uint8_t (*q4)[16][4], uint32_t lane, Codes* c) {
  for (int v = 0; v < 4; ++v) {
    const uint32_t w = LoadWord(q4[v][lane]);
    c->group[v] = w & 0x0f0f0f0fU;
    c->group[v + 4] = (w >> 4) & 0x0f0f0f0fU;
  }
}
inline void PutH1(const Codes& c, uint32_t lane, uint8_t (*h1)[4]) {
  uint32_t w = 0;
  for (int g = 0; g < 8; ++g) w |= ((c.group[g] >> 4) & 0x01010101U) << g;
  StoreWord(h1[lane], w);
}
inline void GetH1(const uint8_t (*h1)[4], uint32_t lane, Codes* c) {
  const uint32_t w = LoadWord(h1[lane]);
  for (int g = 0; g < 8; ++g) c->group[g] |= ((w >> g) & 0x01010101U) << 4;
}
inline void PutH2(const Codes& c, uint32_t lane, uint8_t (*h2)[16][4]) {
  for (int v = 0; v < 2; ++v) {
    uint32_t w = 0;
    for (int p = 0; p < 4; ++p) w |= ((c.group[4 * v + p] >> 4) & 0x03030303U) << (2 * p);
    StoreWord(h2[v][lane], w);
  }
}
inline void GetH2(const uint8_t (*h2)[16][4], uint32_t lane, Codes* c) {
  for (int v = 0; v < 2; ++v) {
    const uint32_t w = LoadWord(h2[v][lane]);
    for (int p = 0; p < 4; ++p) c->group[4 * v + p] |= ((w >> (2 * p)) & 0x03030303U) << 4;
  }
}

// The third bit of 3-bit codes.
inline void PutH1Third(const Codes& c, uint32_t lane, uint8_t (*h1)[4]) {
  uint32_t w = 0;
  for (int g = 0; g < 8; ++g) w |= ((c.group[g] >> 2) & 0x01010101U) << g;
  StoreWord(h1[lane], w);
}
inline void GetH1Third(const uint8_t (*h1)[4], uint32_t lane, Codes* c) {
  const uint32_t w = LoadWord(h1[lane]);
  for (int g = 0; g < 8; ++g) c->group[g] |= ((w >> g) & 0x01010101U) << 2;
}
inline void PutQ2(const Codes& c, uint32_t lane, uint8_t (*q2)[16][4]) {
  for (int v = 0; v < 2; ++v) {
    uint32_t w = 0;
    for (int p = 0; p < 4; ++p) w |= (c.group[4 * v + p] & 0x03030303U) << (2 * p);
    StoreWord(q2[v][lane], w);
  }
}
inline void GetQ2(const uint8_t (*q2)[16][4], uint32_t lane, Codes* c) {
  for (int v = 0; v < 2; ++v) {
    const uint32_t w = LoadWord(q2[v][lane]);
    for (int p = 0; p < 4; ++p) c->group[4 * v + p] = (w >> (2 * p)) & 0x03030303U;
  }
}

// 16 bytes of nibbles, low nibbles columns 0..15, high nibbles columns 16..31.
inline void FromHalves(const uint8_t q[16], Codes* c) {
  for (int v = 0; v < 4; ++v) {
    const uint32_t w = LoadWord(q + 4 * v);
    c->group[v] = w & 0x0f0f0f0fU;
    c->group[v + 4] = (w >> 4) & 0x0f0f0f0fU;
  }
}
// 32 bytes of which one nibble (shift 0 or 4) is the code.
inline void FromNibbles(const uint8_t q[32], int shift, Codes* c) {
  for (int g = 0; g < 8; ++g) c->group[g] = (LoadWord(q + 4 * g) >> shift) & 0x0f0f0f0fU;
}

// 32 bytes of which two bits (at shift 0, 2, 4 or 6) are the code.
inline void FromPairs(const uint8_t q[32], uint32_t shift, Codes* c) {
  for (int g = 0; g < 8; ++g) c->group[g] = (LoadWord(q + 4 * g) >> shift) & 0x03030303U;
}
// Four bits of h, from bit 4 g on, as bit `to` of four bytes: the multiplier puts bit i at bit 8 i (and noise
// that the mask removes).
inline uint32_t SpreadBits(uint32_t h, int g, int to) {
  return ((((h >> (4 * g)) & 15) * 0x00204081U) & 0x01010101U) << to;
}

}  // namespace wring::gguf
