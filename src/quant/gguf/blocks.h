// GGUF block types as they lie in a file, and packed for 16 rows.
//
// Packed codes, for a tile of 16 rows x 32 columns. A column group is 4 neighbouring columns, so a tile
// has 8 groups g; one vector of 64 bytes is [16 rows][4 columns], the shape that an int8 dot product of
// 4 adds into one 32-bit lane a row.
//   q8   [8 groups][16][4]        one byte a code: the signed value + 128
//   q4   [4][16][4]               vector v: low nibble group v, high nibble group v + 4
//   q2   [2][16][4]               vector v, bits 2p..2p+1: group 4v + p
//   h1   [16][4]                  the top bit of 3 or 5: bit g of each byte belongs to group g
//   h2   [2][16][4]               the 5th and 6th bit: vector v, bits 2p..2p+1 belong to group 4v + p
// Codes are unsigned; the offset of a symmetric type (8, 16, 32, 128) is taken off with the sum of the
// activations, see kernels/cpu.
#pragma once

#include <cstdint>

namespace wring::gguf {

// ---- as stored (GGUF specification; all little-endian, d and m are float16) ----
struct Q8_0 {
  uint16_t d;
  int8_t q[32];
};
struct Q4_0 {
  uint16_t d;
  uint8_t q[16];  // byte j: low nibble column j, high nibble column j + 16
};
struct Q4_1 {
  uint16_t d, m;
  uint8_t q[16];
};
struct Q5_0 {
  uint16_t d;
  uint8_t h[4];  // bit j: 5th bit of column j
  uint8_t q[16];
};
struct Q5_1 {
  uint16_t d, m;
  uint8_t h[4];
  uint8_t q[16];
};
struct Q2_K {
  uint8_t scales[16];  // of 16 columns: low nibble scale, high nibble min
  uint8_t q[64];       // half n, byte l (0..31): bits 2s.. belong to column 128n + 32 s + l
  uint16_t d, dmin;
};
struct Q3_K {
  uint8_t h[32];       // byte l bit t: 3rd bit of column 32 t + l
  uint8_t q[64];       // as Q2_K
  uint8_t scales[12];  // sixteen 6-bit scales, offset 32
  uint16_t d;
};
struct Q4_K {
  uint16_t d, dmin;
  uint8_t scales[12];  // eight 6-bit scales and eight 6-bit mins
  uint8_t q[128];      // 64-column chunk c, byte j: low nibble column 64c + j, high 64c + 32 + j
};
struct Q5_K {
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t h[32];  // byte j bit s: 5th bit of column 32 s + j
  uint8_t q[128];
};
struct Q6_K {
  uint8_t ql[128];  // half n, byte l (0..63): low nibble column 128n + l, high nibble 128n + 64 + l
  uint8_t qh[64];   // half n, byte l (0..31): bits 2s.. belong to column 128n + 32 s + l
  int8_t scales[16];
  uint16_t d;
};
struct IQ4_NL {
  uint16_t d;
  uint8_t q[16];  // indices into kIq4Values, as Q4_0
};
struct IQ4_XS {
  uint16_t d;
  uint16_t scales_h;    // bits 2t..: high bits of the scale of columns 32 t..
  uint8_t scales_l[4];  // nibble t: its low bits; offset 32
  uint8_t q[128];       // chunk t, byte j: low nibble column 32 t + j, high 32 t + 16 + j
};
struct MXFP4 {
  uint8_t e;      // scale 2^(e - 127), halved here because the codes' values are doubled
  uint8_t q[16];  // as Q4_0: sign, 2-bit exponent, 1-bit mantissa (OCP Microscaling 1.0)
};
static_assert(sizeof(Q8_0) == 34 && sizeof(Q4_0) == 18 && sizeof(Q4_1) == 20 && sizeof(Q5_0) == 22);
static_assert(sizeof(Q5_1) == 24 && sizeof(Q2_K) == 84 && sizeof(Q3_K) == 110);
static_assert(sizeof(IQ4_NL) == 18 && sizeof(IQ4_XS) == 136 && sizeof(MXFP4) == 17);
static_assert(sizeof(Q4_K) == 144 && sizeof(Q5_K) == 176 && sizeof(Q6_K) == 210);

// ---- packed, 16 rows ----
struct PackedQ8_0 {
  uint16_t d[16];
  uint8_t q8[8][16][4];
};
struct PackedQ4_0 {
  uint16_t d[16];
  uint8_t q4[4][16][4];
};
struct PackedQ4_1 {
  uint16_t d[16], m[16];
  uint8_t q4[4][16][4];
};
struct PackedQ5_0 {
  uint16_t d[16];
  uint8_t h1[16][4];
  uint8_t q4[4][16][4];
};
struct PackedQ5_1 {
  uint16_t d[16], m[16];
  uint8_t h1[16][4];
  uint8_t q4[4][16][4];
};
struct PackedQ2_K {
  uint16_t d[16], neg_dmin[16];
  struct Tile {
    uint8_t scale_min[2][16];  // of 16 columns: low nibble scale, high nibble min
    uint8_t q2[2][16][4];
  } tile[8];
};
struct PackedQ3_K {
  uint16_t d[16];
  uint8_t scales[12][16];  // as stored
  struct Tile {
    uint8_t h1[16][4];
    uint8_t q2[2][16][4];
  } tile[8];
};
// The K types: a header for 256 columns, then eight tiles. 6-bit scales are stored as bytes: one
// byte in 36 more than the file, for a scale load that is one instruction. neg_dmin is -dmin.
struct PackedQ4_K {
  uint16_t d[16], neg_dmin[16];
  struct Tile {
    uint8_t scale[16], min[16];
    uint8_t q4[4][16][4];
  } tile[8];
};
struct PackedQ5_K {
  uint16_t d[16], neg_dmin[16];
  struct Tile {
    uint8_t scale[16], min[16];
    uint8_t h1[16][4];
    uint8_t q4[4][16][4];
  } tile[8];
};
struct PackedQ6_K {
  uint16_t d[16];
  struct Tile {
    int8_t scale[2][16];  // 16 columns each
    uint8_t h2[2][16][4];
    uint8_t q4[4][16][4];
  } tile[8];
};
struct PackedIQ4_NL {
  uint16_t d[16];
  uint8_t q4[4][16][4];
};
struct PackedIQ4_XS {
  uint16_t d[16];
  struct Tile {
    int8_t scale[16];
    uint8_t q4[4][16][4];
  } tile[8];
};
struct PackedMXFP4 {
  uint8_t e[16];
  uint8_t q4[4][16][4];
};
static_assert(sizeof(PackedQ8_0) == 16 * sizeof(Q8_0) && sizeof(PackedQ4_0) == 16 * sizeof(Q4_0));
static_assert(sizeof(PackedQ4_1) == 16 * sizeof(Q4_1) && sizeof(PackedQ5_0) == 16 * sizeof(Q5_0));
static_assert(sizeof(PackedQ5_1) == 16 * sizeof(Q5_1) && sizeof(PackedQ2_K) == 16 * sizeof(Q2_K));
static_assert(sizeof(PackedQ3_K) == 16 * sizeof(Q3_K));
static_assert(sizeof(PackedIQ4_NL) == 16 * sizeof(IQ4_NL));
static_assert(sizeof(PackedIQ4_XS) == 16 * sizeof(IQ4_XS) + 32);
static_assert(sizeof(PackedMXFP4) == 16 * sizeof(MXFP4));
static_assert(sizeof(PackedQ4_K) == 16 * sizeof(Q4_K) + 64);
static_assert(sizeof(PackedQ5_K) == 16 * sizeof(Q5_K) + 64);
static_assert(sizeof(PackedQ6_K) == 16 * sizeof(Q6_K));

// The 16 values of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
// Twice the 16 values of a 4-bit float.
inline constexpr int8_t kMxfp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};

// Scale of columns 16 i.. of Q3_K, offset taken off.
inline int8_t ScaleQ3(const uint8_t* scales, int i) {
  const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
  const int high = (scales[8 + i % 4] >> (2 * (i / 4))) & 3;
  return static_cast<int8_t>((low | (high << 4)) - 32);
}
// Scale of columns 32 t.. of IQ4_XS, offset taken off.
inline int8_t ScaleIq4Xs(const IQ4_XS& s, int t) {
  const int low = (s.scales_l[t / 2] >> (4 * (t % 2))) & 15;
  const int high = (s.scales_h >> (2 * t)) & 3;
  return static_cast<int8_t>((low | (high << 4)) - 32);
}

// Scale and min of sub-block s (0..7) from the 12 packed bytes of Q4_K and Q5_K.
inline void ScaleMin(const uint8_t* scales, int s, uint8_t* scale, uint8_t* min) {
  if (s < 4) {
    *scale = scales[s] & 63;
    *min = scales[s + 4] & 63;
  } else {
    *scale = static_cast<uint8_t>((scales[s + 4] & 15) | ((scales[s - 4] >> 6) << 4));
    *min = static_cast<uint8_t>((scales[s + 4] >> 4) | ((scales[s] >> 6) << 4));
  }
}

}  // namespace wring::gguf
