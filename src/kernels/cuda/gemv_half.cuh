// GEMV with weights as float16: activations, up to eight rows of them, are float16 in shared memory or where they are.
#pragma once

#include "kernels/cuda/linear_common.cuh"

namespace wring::cuda {

// The activations of a GEMV in shared memory: [row][strip][8] pieces of 8 columns, piece c of row r at c ^ 4 (r & 1).
__device__ __forceinline__ uint32_t XPiece(uint32_t row, uint32_t piece, uint32_t strips) {
  return row * strips * 8 + (piece ^ ((row & 1) << 2));
}

__device__ __forceinline__ void NormInto(const LinearArgs& args,
                                         const NormWeights<kThreads>& weights, uint32_t strips,
                                         uint4* xs) {
#pragma unroll 1
  for (uint32_t r = 0; r < args.rows; ++r) {
    NormRowFrom<kThreads>(args.norm, weights, r, strips * kStrip, [&](uint32_t c, const float4& v) {
      reinterpret_cast<uint2*>(xs + XPiece(r, c / 8, strips))[c / 4 % 2] = Halves4(v);
    });
  }
}

template <FormatId kFormatId, int kTiles, bool kSharedX>
class HalfProduct {
 public:
  static constexpr FormatId kFormat = kFormatId;
  static constexpr uint32_t kColumns = 8;  // rows of activations that there may be
  static constexpr uint32_t Bytes(uint32_t rows, uint32_t strips) {
    return kSharedX ? rows * strips * 128 : 0;
  }

  // The weights of the norm. By all threads of the block, before and behind the end of the launch before.
  using Early = NormWeights<kThreads>;
  __device__ static __forceinline__ void Begin(const LinearArgs& args, Early* early) {
    if (args.norm.x != nullptr) early->Load(args.norm);
  }
  __device__ static __forceinline__ void Prepare(const LinearArgs& args, const Early& early,
                                                 uint32_t strips, uint8_t* memory) {
    if constexpr (!kSharedX) return;
    uint4* xs = reinterpret_cast<uint4*>(memory);
    if (args.norm.x != nullptr) {
      NormInto(args, early, strips, xs);
    } else {
#pragma unroll 4
      for (uint32_t i = threadIdx.x; i < args.rows * strips * 8; i += kThreads) {
        const uint32_t r = i / (strips * 8);
        const uint32_t piece = i % (strips * 8);
        xs[XPiece(r, piece, strips)] =
            *reinterpret_cast<const uint4*>(args.x + uint64_t{r} * args.ldx + 8 * piece);
      }
    }
    __syncthreads();
  }

  // For a warp whose segment begins at strip `begin`. Columns of the product beyond the rows repeat row 0 and are not stored.
  __device__ __forceinline__ HalfProduct(const LinearArgs& args, uint32_t strips, uint32_t begin,
                                         uint8_t* memory)
      : lane_(threadIdx.x % 32) {
    const uint4* xs = reinterpret_cast<const uint4*>(memory);
    const uint32_t t = lane_ % 4;
    const uint32_t row = lane_ / 4 < args.rows ? lane_ / 4 : 0;
#pragma unroll
    for (uint32_t b = 0; b < 2; ++b)
      shared_[b] = Kept(SharedAddress(xs + XPiece(row, begin * 8 + 4 * b + t, strips)));
    global_ =
        Kept(reinterpret_cast<const uint4*>(args.x + uint64_t{row} * args.ldx) + begin * 8 + t);
  }

  __device__ __forceinline__ void Clear() {
#pragma unroll
    for (auto& tile : acc_) tile[0] = tile[1] = tile[2] = tile[3] = 0;
  }

  // The chunk that begins at strip s of the segment, which has `width`.
  __device__ __forceinline__ void Multiply(uint32_t chunk, uint32_t s, uint32_t width) {
    using F = Fragments<kFormat>;
#pragma unroll
    for (uint32_t i = 0; i < F::kChunkStrips; ++i) {
      if (F::kChunkStrips > 1 && FragmentPartsOf(kFormat).strips == 1 && s + i >= width) break;
      typename F::Raw raw[kTiles];
#pragma unroll
      for (int k = 0; k < kTiles; ++k) raw[k] = F::ReadChunk(chunk + k * F::kChunkBytes, i, lane_);
#pragma unroll
      for (uint32_t b = 0; b < 2; ++b) {
        const uint4 x =
            kSharedX ? LoadShared(shared_[b] + (s + i) * 128) : global_[(s + i) * 8 + 4 * b];
#pragma unroll
        for (int k = 0; k < kTiles; ++k) MultiplyBlock(F::Dequant(raw[k], b, lane_), x, acc_[k]);
      }
    }
  }

  // The sums of tile k.
  __device__ __forceinline__ void Leave(int k, float (&to)[16][kColumns]) const {
    const uint32_t g = lane_ / 4;
    const uint32_t t = lane_ % 4;
    *reinterpret_cast<float2*>(&to[g][2 * t]) = {acc_[k][0], acc_[k][1]};
    *reinterpret_cast<float2*>(&to[g + 8][2 * t]) = {acc_[k][2], acc_[k][3]};
  }

 private:
  uint32_t lane_;
  uint32_t shared_[2];  // blocks 0 and 1 of the segment's first strip
  const uint4* global_;
  float acc_[kTiles][4];
};

}  // namespace wring::cuda
