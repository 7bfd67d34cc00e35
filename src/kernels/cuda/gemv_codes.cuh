// GEMV with weights as whole numbers (codes.cuh) and activations as whole numbers of 16 bits: v = unit * (256 h + l), the unit
// of 256 columns or of the whole row, so that a product of bytes is exact. A block of weights takes half of the instructions
// that float16 takes. The eight columns of the tensor core's product are high and low bytes of up to four rows.
//
// In shared memory, a row of activations has of each strip 128 bytes, [high, low][lane % 4][block][eight columns], the sums of
// its two blocks, and a unit for every four strips.
#pragma once

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

// Four activations' bytes, in the order of their columns.
struct Bytes4 {
  uint32_t high, low;
};

class CodedRows {
 public:
  static constexpr float kMost = 127 * 256 + 127;

  // By all threads of the block.
  __device__ static __forceinline__ void Prepare(const LinearArgs& args, uint32_t strips,
                                                 uint8_t* memory) {
    const CodedRows rows(args.rows, strips, memory);
    if (args.norm.x != nullptr) {
#pragma unroll 1
      for (uint32_t r = 0; r < args.rows; ++r) {
        if (r > 0) __syncthreads();
        rows.Norm(args.norm, r);
      }
    } else {
      rows.Read(args);
    }
    __syncthreads();
  }

  __device__ __forceinline__ CodedRows(uint32_t rows, uint32_t strips, uint8_t* memory)
      : strips_(strips),
        bytes_(memory),
        sums_(memory + rows * strips * 128),
        units_(memory + rows * strips * 136) {}
  __device__ __forceinline__ uint8_t* bytes(uint32_t r, uint32_t strip) const {
    return bytes_ + (r * strips_ + strip) * 128;
  }
  __device__ __forceinline__ int32_t* sums(uint32_t r, uint32_t strip) const {
    return reinterpret_cast<int32_t*>(sums_ + (r * strips_ + strip) * 8);
  }
  __device__ __forceinline__ float* unit(uint32_t r, uint32_t strip) const {
    return reinterpret_cast<float*>(units_) + r * ((strips_ + 3) / 4) + strip / 4;
  }

 private:
  __device__ static __forceinline__ float Inverse(float most) { return most > 0 ? kMost / most : 0; }
  __device__ static __forceinline__ Bytes4 BytesOf(const float (&v)[4], float inverse) {
    // The sum's bits end in the whole number + 128, whose second byte is the high one.
    constexpr float kMagic = 12582912.F + 128.F;
    uint32_t n[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) n[i] = __float_as_uint(__fmaf_rn(v[i], inverse, kMagic));
    const uint32_t x = __byte_perm(n[0], n[1], 0x5140);
    const uint32_t y = __byte_perm(n[2], n[3], 0x5140);
    return {__byte_perm(x, y, 0x7632), __byte_perm(x, y, 0x5410) ^ 0x80808080U};
  }
  __device__ static __forceinline__ int32_t SumOf(const Bytes4& b) {
    return 256 * __dp4a(static_cast<int32_t>(b.high), 0x01010101, 0) +
           __dp4a(static_cast<int32_t>(b.low), 0x01010101, 0);
  }
  // Words of eight columns, of which `a` has the first four and `b` the others.
  __device__ static __forceinline__ uint2 Ordered(uint32_t a, uint32_t b) {
    return {__byte_perm(a, b, 0x5140), __byte_perm(a, b, 0x7362)};
  }

  // Float16 rows as they are; a warp has 256 columns at once, a lane eight of them. The next ones are asked for before these are
  // seen to.
  __device__ __forceinline__ void Read(const LinearArgs& args) const {
    constexpr uint32_t kBatch = 3;
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t each = (strips_ + 3) / 4;
    const uint32_t all = args.rows * each;
    // Row and strip of this lane in unit i.
    const auto place = [&](uint32_t i, uint32_t* r, uint32_t* strip) {
      *r = args.rows == 1 ? 0 : i / each;
      *strip = (i - *r * each) * 4 + lane / 8;
      return i < all && *strip < strips_;
    };
    const auto load = [&](uint32_t first, uint4(&x)[kBatch]) {
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        uint32_t r, strip;
        x[k] = {0, 0, 0, 0};
        if (place(first + k * kWarps, &r, &strip)) {
          x[k] = *reinterpret_cast<const uint4*>(args.x + uint64_t{r} * args.ldx + strip * kStrip +
                                                 lane % 8 * 8);
        }
      }
    };
    uint32_t first = threadIdx.x / 32;
    uint4 next[kBatch];
    load(first, next);
    for (; first < all; first += kBatch * kWarps) {
      uint4 x[kBatch];
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) x[k] = next[k];
      load(first + kBatch * kWarps, next);
#pragma unroll
      for (uint32_t k = 0; k < kBatch; ++k) {
        if (first + k * kWarps >= all) break;
        uint32_t r, strip;
        const bool has = place(first + k * kWarps, &r, &strip);
        Keep(x[k], r, strip, lane % 8, has);
      }
    }
  }
  // Eight columns a lane of a warp's 256; has: whether there are this lane's.
  __device__ __forceinline__ void Keep(const uint4& x, uint32_t r, uint32_t strip, uint32_t piece,
                                       bool has) const {
    const float2 p[4] = {__half22float2(AsHalf2(x.x)), __half22float2(AsHalf2(x.y)),
                         __half22float2(AsHalf2(x.z)), __half22float2(AsHalf2(x.w))};
    float most = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) most = MostOf(most, p[k].x, p[k].y);
    most = WarpMost(most);
    const float inverse = Inverse(most);
    const Bytes4 a = BytesOf({p[0].x, p[0].y, p[1].x, p[1].y}, inverse);
    const Bytes4 b = BytesOf({p[2].x, p[2].y, p[3].x, p[3].y}, inverse);
    int32_t sum = SumOf(a) + SumOf(b);
    sum += __shfl_xor_sync(0xffffffffU, sum, 1);
    sum += __shfl_xor_sync(0xffffffffU, sum, 2);
    if (!has) return;
    auto* to = reinterpret_cast<uint2*>(bytes(r, strip)) + 2 * (piece % 4) + piece / 4;
    to[0] = Ordered(a.high, b.high);
    to[8] = Ordered(a.low, b.low);
    if (piece % 4 == 0) sums(r, strip)[piece / 4] = sum;
    if (strip % 4 == 0 && piece == 0) *unit(r, strip) = most / kMost;
  }

  // The norm of a row, with one unit. A thread has four columns, two neighbours eight, of which one stores the high bytes.
  __device__ __forceinline__ void Norm(const NormArgs& norm, uint32_t r) const {
    float inverse = 0;
    NormRowFrom<kThreads, true>(
        norm, r, strips_ * kStrip,
        [&](float most) {
          inverse = Inverse(most);
          if (4 * threadIdx.x < strips_) *unit(r, 4 * threadIdx.x) = most / kMost;
        },
        [&](uint32_t c, const float4& v) {
          const uint32_t lane = threadIdx.x % 32;
          // The strip may be the last one.
          const uint32_t lanes = c - 4 * lane + 128 <= strips_ * kStrip ? 0xffffffffU : 0xffffU;
          const Bytes4 mine = BytesOf({v.x, v.y, v.z, v.w}, inverse);
          const bool low = lane % 2 == 1;
          const uint32_t other = __shfl_xor_sync(lanes, low ? mine.high : mine.low, 1);
          int32_t sum = SumOf(mine);
#pragma unroll
          for (uint32_t bit = 1; bit < 8; bit *= 2) sum += __shfl_xor_sync(lanes, sum, bit);
          const uint32_t piece = c / 8 % 8;
          auto* to = reinterpret_cast<uint2*>(bytes(r, c / kStrip)) + 2 * (piece % 4) + piece / 4;
          to[low ? 8 : 0] = low ? Ordered(other, mine.low) : Ordered(mine.high, other);
          if (lane % 8 == 0) sums(r, c / kStrip)[piece / 4] = sum;
        });
  }

  uint32_t strips_;
  uint8_t* bytes_;
  uint8_t* sums_;
  uint8_t* units_;
};

template <FormatId kFormatId, int kTiles>
class CodeProduct {
 public:
  static constexpr FormatId kFormat = kFormatId;
  static constexpr uint32_t kColumns = kCodeRows;
  using F = Fragments<kFormat>;
  static constexpr uint32_t kRecord = FragmentPartsOf(kFormat).strips;
  static constexpr uint32_t Bytes(uint32_t rows, uint32_t strips) {
    return CodedBytes(rows, strips);
  }

  __device__ static __forceinline__ void Prepare(const LinearArgs& args, uint32_t strips,
                                                 uint8_t* memory) {
    CodedRows::Prepare(args, strips, memory);
  }

  // For a warp whose segment begins at strip `begin`. Columns of the product beyond the rows repeat row 0 and are not stored.
  __device__ __forceinline__ CodeProduct(const LinearArgs& args, uint32_t strips, uint32_t begin,
                                         uint8_t* memory)
      : lane_(threadIdx.x % 32), begin_(begin) {
    const CodedRows rows(args.rows, strips, memory);
    const auto row = [&](uint32_t r) { return r < args.rows ? r : 0; };
    const uint32_t g = lane_ / 4;
    const uint32_t t = lane_ % 4;
    bytes_ = Kept(SharedAddress(rows.bytes(row(g / 2), begin) + 64 * (g % 2) + 16 * t));
    sums_ = Kept(SharedAddress(rows.sums(row(t), begin)));
    units_ = Kept(SharedAddress(rows.unit(row(t), 0)));
  }

  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (auto& v : acc_) v = {0, 0};
  }

  // The chunk that begins at strip s of the segment, which has `width`.
  __device__ __forceinline__ void Multiply(uint32_t chunk, uint32_t s, uint32_t width) {
    Codes<kFormat> of_record[kTiles];
#pragma unroll
    for (uint32_t i = 0; i < F::kChunkStrips; ++i) {
      if (F::kChunkStrips > 1 && kRecord == 1 && s + i >= width) break;
      typename F::Raw raw[kTiles];
#pragma unroll
      for (int k = 0; k < kTiles; ++k) {
        raw[k] = F::ReadChunk(chunk + k * F::kChunkBytes, i, lane_);
        if (i % kRecord == 0) of_record[k].Clear();
      }
      const uint4 x = LoadShared(bytes_ + (s + i) * 128);
      const uint2 sums = LoadShared2(sums_ + (s + i) * 8);
#pragma unroll
      for (int b = 0; b < 2; ++b) {
#pragma unroll
        for (int k = 0; k < kTiles; ++k) {
          uint32_t a[4];
          Codes<kFormat>::Words(raw[k], b, a);
          int32_t c[4];
          MmaBytes(c, a, b == 0 ? x.x : x.z, b == 0 ? x.y : x.w);
          of_record[k].Add(raw[k], b, c, static_cast<int32_t>(b == 0 ? sums.x : sums.y));
        }
      }
      if (i % kRecord != kRecord - 1) continue;
      const float unit = __uint_as_float(FromShared::Word(units_ + (begin_ + s + i) / 4 * 4));
#pragma unroll
      for (int k = 0; k < kTiles; ++k) {
        const float2 v = of_record[k].Value(raw[k]);
        acc_[k].x = __fmaf_rn(v.x, unit, acc_[k].x);
        acc_[k].y = __fmaf_rn(v.y, unit, acc_[k].y);
      }
    }
  }

  // The sums of tile k.
  __device__ __forceinline__ void Leave(int k, float (&to)[16][kColumns]) const {
    to[lane_ / 4][lane_ % 4] = acc_[k].x;
    to[lane_ / 4 + 8][lane_ % 4] = acc_[k].y;
  }

 private:
  uint32_t lane_, begin_;
  uint32_t bytes_, sums_, units_;  // addresses: of the segment's first strip, and the row's units
  float2 acc_[kTiles];             // rows g and g + 8
};

}  // namespace wring::cuda
