// GEMV with weights as whole numbers (codes.cuh) and activations as whole numbers of 16 bits: v = unit * (256 h + l), the unit
// of 256 columns or of the whole row, so that a product of bytes is exact. A block of weights takes fewer instructions
// than as float16. The eight columns of the tensor core's product are high and low bytes of up to four rows.
//
// In shared memory, a row of activations has of each strip 128 bytes, [high, low][lane % 4][block][eight columns], the sums of
// its two blocks, and a unit for every four strips.
#pragma once

#include "kernels/cuda/barrier.cuh"
#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

// Code is fetched anew in every launch, so this is written for few instructions.
class CodedRows {
 public:
  static constexpr float kMost = 127 * 256 + 127;
  // Rows to norm: the weights that a thread needs.
  struct Early {
    float4 weights[4];
  };

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

  // By all threads of the block, before the launch before has ended.
  __device__ static __forceinline__ void Begin(const LinearArgs& args, Early* early) {
    if (args.norm.x != nullptr) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        early->weights[i] = Quad(args.norm.weight, args.norm.cols, i);
    } else {
      if (threadIdx.x == 0) BarrierInit(Barrier(), 1);
      __syncthreads();
    }
  }
  // By all threads of the block, behind it.
  __device__ __forceinline__ void Prepare(const LinearArgs& args, const Early& early) const {
    if (args.norm.x != nullptr) {
#pragma unroll 1
      for (uint32_t r = 0; r < args.rows; ++r) {
        if (r > 0) __syncthreads();
        Norm(args.norm, early, r);
      }
    } else {
      Fetch(args);
      Convert(args.rows);
    }
    __syncthreads();
  }

 private:
  __device__ static __forceinline__ uint32_t Barrier() {
    __shared__ __align__(8) uint64_t barrier;
    return SharedAddress(&barrier);
  }
  // Float16 rows as they are, into the places of their bytes.
  __device__ __forceinline__ void Fetch(const LinearArgs& args) const {
#if __CUDA_ARCH__ >= 900
    if (threadIdx.x == 0) {
      BarrierArriveExpecting(Barrier(), args.rows * strips_ * 128);
#pragma unroll 1
      for (uint32_t r = 0; r < args.rows; ++r)
        CopyBulk(SharedAddress(bytes(r, 0)), args.x + uint64_t{r} * args.ldx, strips_ * 128,
                 Barrier());
    }
    BarrierWait(Barrier(), 0);
#else
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < args.rows * strips_ * 8; i += kThreads) {
      const uint32_t r = i / (strips_ * 8);
      reinterpret_cast<uint4*>(bytes_)[i] = *reinterpret_cast<const uint4*>(
          args.x + uint64_t{r} * args.ldx + 8 * (i - r * strips_ * 8));
    }
    __syncthreads();
#endif
  }
  // A warp makes whole numbers of 256 columns at once, a lane of eight, in their place.
  __device__ __forceinline__ void Convert(uint32_t rows) const {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t piece = lane % 8;
    const uint32_t each = (strips_ + 3) / 4;
#pragma unroll 2
    for (uint32_t i = threadIdx.x / 32; i < rows * each; i += kWarps) {
      const uint32_t r = rows == 1 ? 0 : i / each;
      const uint32_t strip = (i - r * each) * 4 + lane / 8;
      const bool has = strip < strips_;
      uint4 x = {0, 0, 0, 0};
      if (has) x = reinterpret_cast<const uint4*>(bytes(r, strip))[piece];
      // The bits of a float16 without its sign grow with it, and those that are no number are the largest.
      uint32_t bits = __vmaxu2(__vmaxu2(x.x & kPositive, x.y & kPositive),
                               __vmaxu2(x.z & kPositive, x.w & kPositive));
      bits = WarpMax(max(bits & 0xffffU, bits >> 16));
      const float most = __low2float(AsHalf2(bits));
      const float inverse = Inverse(most);
      const float2 p[4] = {__half22float2(AsHalf2(x.x)), __half22float2(AsHalf2(x.y)),
                           __half22float2(AsHalf2(x.z)), __half22float2(AsHalf2(x.w))};
      const uint2 a = BytesOf({p[0].x, p[0].y, p[2].x, p[2].y}, inverse);
      const uint2 b = BytesOf({p[1].x, p[1].y, p[3].x, p[3].y}, inverse);
      int32_t sum = SumOf(a) + SumOf(b);
      sum += __shfl_xor_sync(0xffffffffU, sum, 1);
      sum += __shfl_xor_sync(0xffffffffU, sum, 2);
      if (!has) continue;
      auto* to = reinterpret_cast<uint2*>(bytes(r, strip)) + 2 * (piece % 4) + piece / 4;
      to[0] = {a.x, b.x};
      to[8] = {a.y, b.y};
      if (piece % 4 == 0) sums(r, strip)[piece / 4] = sum;
      if (lane == 0) *unit(r, strip) = most * (1 / kMost);
    }
  }

  // Of the eight columns that a lane of the product has, two threads have a word of bytes each: columns 0, 4, 1 and 5, and 2, 6,
  // 3 and 7; in this order of pairs. Unit i of this thread. Formats with codes have columns in blocks of 32 or more.
  __device__ static __forceinline__ uint32_t FirstOf(uint32_t i) {
    const uint32_t u = i * kThreads + threadIdx.x;
    return u / 2 * 8 + u % 2 * 2;
  }
  __device__ static __forceinline__ float4 Quad(const float* x, uint32_t cols, uint32_t i) {
    const uint32_t c = FirstOf(i);
    if (c >= cols) return {0, 0, 0, 0};
    const float2 a = *reinterpret_cast<const float2*>(x + c);
    const float2 b = *reinterpret_cast<const float2*>(x + c + 4);
    return {a.x, a.y, b.x, b.y};
  }
  // The norm of a row, with one unit.
  __device__ __forceinline__ void Norm(const NormArgs& a, const Early& early, uint32_t r) const {
    const float* x = a.x + uint64_t{a.gather == nullptr ? r : a.gather[r]} * a.ldx;
    float squares = 0;
    float most = 0;
    const auto weigh = [&](float4* v, const float4& w) {
      squares = __fmaf_rn(v->x, v->x, squares);
      squares = __fmaf_rn(v->y, v->y, squares);
      squares = __fmaf_rn(v->z, v->z, squares);
      squares = __fmaf_rn(v->w, v->w, squares);
      *v = {v->x * w.x, v->y * w.y, v->z * w.z, v->w * w.w};
      most = fmaxf(fmaxf(most, fabsf(v->x)), fabsf(v->y));
      most = fmaxf(fmaxf(most, fabsf(v->z)), fabsf(v->w));
    };
    float4 v[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) v[i] = Quad(x, a.cols, i);
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) weigh(&v[i], early.weights[i]);
    const uint32_t units = (strips_ * 16 + kThreads - 1) / kThreads;  // of a thread
#pragma unroll 1
    for (uint32_t i = 4; i < units; ++i) {
      float4 more = Quad(x, a.cols, i);
      weigh(&more, Quad(a.weight, a.cols, i));
    }
    const float2 both = BlockSumAndMost<kThreads>(squares, most);
    // Squares that are no number leave none of the row.
    const float factor = rsqrtf(__fdividef(both.x, static_cast<float>(a.cols)) + a.eps);
    const float inverse = Inverse(both.y);
    if (4 * threadIdx.x < strips_) *unit(r, 4 * threadIdx.x) = both.y * factor * (1 / kMost);
#pragma unroll
    for (uint32_t i = 0; i < 4; ++i) Store(r, i, v[i], inverse);
#pragma unroll 1
    for (uint32_t i = 4; i < units; ++i) {
      float4 more = Quad(x, a.cols, i);
      const float4 w = Quad(a.weight, a.cols, i);
      more = {more.x * w.x, more.y * w.y, more.z * w.z, more.w * w.w};
      Store(r, i, more, inverse);
    }
  }
  __device__ __forceinline__ void Store(uint32_t r, uint32_t i, const float4& v,
                                        float inverse) const {
    const uint32_t u = i * kThreads + threadIdx.x;
    const uint2 b = BytesOf({v.x, v.y, v.z, v.w}, inverse);
    int32_t sum = SumOf(b);
    sum += __shfl_xor_sync(0xffffffffU, sum, 1);
    sum += __shfl_xor_sync(0xffffffffU, sum, 2);
    sum += __shfl_xor_sync(0xffffffffU, sum, 4);
    if (u >= strips_ * 16) return;
    // [strip][block][lane][word], of which the row has [strip][high, low][lane][block][word].
    const uint32_t in_block = u % 8;
    const uint32_t block = u / 8 % 2;
    auto* to =
        reinterpret_cast<uint32_t*>(bytes(r, u / 16)) + in_block / 2 * 4 + block * 2 + in_block % 2;
    to[0] = b.x;
    to[16] = b.y;
    if (in_block == 0) sums(r, u / 16)[block] = sum;
  }

  static constexpr uint32_t kPositive = 0x7fff7fff;
  __device__ static __forceinline__ uint32_t WarpMax(uint32_t v) {
#if __CUDA_ARCH__ >= 800
    return __reduce_max_sync(0xffffffffU, v);
#else
    return v;
#endif
  }
  __device__ static __forceinline__ float Inverse(float most) {
    return most > 0 ? __fdividef(kMost, most) : 0;
  }
  // High and low bytes of columns in the order 0, 2, 1, 3 of the four.
  __device__ static __forceinline__ uint2 BytesOf(const float (&v)[4], float inverse) {
    // The sum's bits end in the whole number + 128, whose second byte is the high one.
    constexpr float kMagic = 12582912.F + 128.F;
    uint32_t n[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) n[i] = __float_as_uint(__fmaf_rn(v[i], inverse, kMagic));
    const uint32_t x = __byte_perm(n[0], n[2], 0x5140);
    const uint32_t y = __byte_perm(n[1], n[3], 0x5140);
    return {__byte_perm(x, y, 0x7632), __byte_perm(x, y, 0x5410) ^ 0x80808080U};
  }
  __device__ static __forceinline__ int32_t SumOf(const uint2& b) {
    return 256 * __dp4a(static_cast<int32_t>(b.x), 0x01010101, 0) +
           __dp4a(static_cast<int32_t>(b.y), 0x01010101, 0);
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

  using Early = CodedRows::Early;
  __device__ static __forceinline__ void Begin(const LinearArgs& args, Early* early) {
    CodedRows::Begin(args, early);
  }
  __device__ static __forceinline__ void Prepare(const LinearArgs& args, const Early& early,
                                                 uint32_t strips, uint8_t* memory) {
    CodedRows(args.rows, strips, memory).Prepare(args, early);
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
