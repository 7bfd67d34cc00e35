// attend(q, segments) for many rows, on Hopper's warpgroup products: one head size a source file, float16 cache.
//
// A block of threads has 128 query vectors of one KV head. One warp has the copy engine bring keys and values from the pool
// into shared memory, two stages; two warpgroups hold 64 vectors each and go over all positions once with a running
// maximum: while the tensor cores multiply P V of a tile, the scores of the next one are turned into P, and the warpgroups
// take turns at the tensor cores (Shah et al., FlashAttention-3). Values lie [channel][token] in the cache, which is the
// K-major operand that P V wants.
//
// A vector's bits depend on itself alone, but not the ones of attend.cuh, which merges blocks in a tree: with --invariant
// that one serves all rows.
#pragma once

#include "kernels/cuda/attend_wide_copy.cuh"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {

#ifdef WRING_WGMMA
namespace wide {

// One thread of a warpgroup that has 64 of the vectors; rows 0 and 1 of it as Wgmma<> says.
template <uint32_t kDim>
class Consumer {
  using W = Wide<kDim>;
  static constexpr uint32_t kScores = W::kTokens / 2;
  static constexpr uint32_t kTurn =
      1 + W::kGroups;  // barriers of threads: the groups' own, then whose turn it is

 public:
  __device__ __forceinline__ Consumer(const Unit& unit, const Barriers& barriers, uint8_t* queries,
                                      uint8_t* keys, uint8_t* values)
      : u_(unit),
        barriers_(barriers),
        group_(__shfl_sync(0xffffffffU, threadIdx.x / 128 - 1, 0)),  // the same in a warp
        lane_(threadIdx.x % 32),
        query_at_(Swizzled128(SharedAddress(queries) + group_ * (64 * 128))),
        keys_at_(Swizzled128(SharedAddress(keys))),
        values_at_(Swizzled128(SharedAddress(values))),
        scale_(kLog2e * (unit.args.softcap > 0 ? 1.F : unit.args.scale)) {
    LoadQueries(queries);
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      const uint32_t n = Vector(r);
      end_[r] = n < u_.item.count ? u_.End(n) : 0;
      begin_[r] = u_.Begin(end_[r]);
    }
    const uint32_t first = 64 * group_;
    if (first < u_.item.count) {
      all_end_ = u_.End(first);
      all_begin_ = u_.Begin(u_.End(min(first + 63, u_.item.count - 1)));
    }
  }

  __device__ __forceinline__ void Run(uint32_t tiles) {
    float s[kScores];
    BarrierWait(SharedAddress(&barriers_.keys_full[0]), 0);
    MultiplyKeys(0, s);
    WgmmaWait<0>();
    WgmmaFence(s);
    Release(barriers_.keys_free[0]);
    Weigh(0, s);
    Pack(s);
    // The warpgroups take turns at the tensor cores: while one's products run, the other has its exponentials.
    if (group_ == 1 && tiles > 1) ArriveThreads(kTurn, 256);
    for (uint32_t tile = 1; tile < tiles; ++tile) {
      const uint32_t stage = tile % W::kStages;
      const uint32_t before = (tile - 1) % W::kStages;
      BarrierWait(SharedAddress(&barriers_.keys_full[stage]), tile / W::kStages % 2);
      BarrierWait(SharedAddress(&barriers_.values_full[before]), (tile - 1) / W::kStages % 2);
      SyncThreads(kTurn + group_, 256);
      MultiplyKeys(tile, s);
      MultiplyValues(tile - 1);
      if (group_ == 0 || tile + 1 < tiles) ArriveThreads(kTurn + 1 - group_, 256);
      WgmmaWait<1>();
      WgmmaFence(s);
      Release(barriers_.keys_free[stage]);
      Weigh(tile, s);
      WgmmaWait<0>();
#pragma unroll
      for (uint32_t i = 0; i < W::kOuts; ++i) {
        WgmmaFence(o_[i]);
#pragma unroll
        for (uint32_t j = 0; j < W::kOut / 2; ++j) o_[i][j] *= shrink_[j / 2 % 2];
      }
      Release(barriers_.values_free[before]);
      Pack(s);
    }
    BarrierWait(SharedAddress(&barriers_.values_full[(tiles - 1) % W::kStages]),
                (tiles - 1) / W::kStages % 2);
    MultiplyValues(tiles - 1);
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      sum_[r] += __shfl_xor_sync(0xffffffffU, sum_[r], 1);
      sum_[r] += __shfl_xor_sync(0xffffffffU, sum_[r], 2);
    }
    WgmmaWait<0>();
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) WgmmaFence(o_[i]);
    Store(0);
    Store(1);
  }

 private:
  static constexpr float kLog2e = 1.44269504F;

  __device__ uint32_t Vector(uint32_t r) const {
    return 64 * group_ + threadIdx.x % 128 / 32 * 16 + lane_ / 4 + 8 * r;
  }
  __device__ void Release(const uint64_t& barrier) const {
    if (lane_ == 0) BarrierArrive(SharedAddress(&barrier));
  }

  __device__ __forceinline__ void LoadQueries(uint8_t* queries) const {
    constexpr uint32_t kPieces = kDim / 8;    // of a vector
    constexpr uint32_t kLoads = kPieces / 2;  // all on their way at once
    uint4 q[kLoads];
#pragma unroll
    for (uint32_t i = 0; i < kLoads; ++i) {
      const uint32_t at = threadIdx.x % 128 + i * 128;
      const uint32_t n = 64 * group_ + at / kPieces;
      q[i] = {0, 0, 0, 0};
      if (n < u_.item.count) {
        q[i] = *reinterpret_cast<const uint4*>(u_.args.q + uint64_t{u_.Row(n)} * u_.args.ldq +
                                               u_.Head(n) * kDim + at % kPieces * 8);
      }
    }
#pragma unroll
    for (uint32_t i = 0; i < kLoads; ++i) {
      const uint32_t at = threadIdx.x % 128 + i * 128;
      const uint32_t n = 64 * group_ + at / kPieces;
      const uint32_t piece = at % kPieces;
      *reinterpret_cast<uint4*>(queries + (piece / 8) * (kWideVectors * 128) + n * 128 +
                                ((piece % 8) ^ (n % 8)) * 16) = q[i];
    }
    PublishShared();
    SyncThreads(1 + group_, 128);
  }

  // Descriptors count in steps of 16 bytes.
  __device__ __forceinline__ void MultiplyKeys(uint32_t tile, float (&s)[kScores]) const {
    const uint64_t key_at = keys_at_ + tile % W::kStages * (W::kKeyBytes / 16);
    WgmmaFence(s);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < kDim / 16; ++k) {
      Wgmma<W::kTokens>::Shared(s, query_at_ + (k / 4 * (kWideVectors * 128) + k % 4 * 32) / 16,
                                key_at + (k / 4 * (W::kTokens * 128) + k % 4 * 32) / 16, k != 0);
    }
    WgmmaCommit();
  }
  __device__ __forceinline__ void MultiplyValues(uint32_t tile) {
    const uint64_t value_at = values_at_ + tile % W::kStages * (W::kValueBytes / 16);
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) WgmmaFence(o_[i]);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < W::kTokens / 16; ++k) {
#pragma unroll
      for (uint32_t i = 0; i < W::kOuts; ++i) {
        Wgmma<W::kOut>::Registers(
            o_[i], p_[k], value_at + (k / 4 * (kDim * 128) + i * (W::kOut * 128) + k % 4 * 32) / 16,
            1);
      }
    }
    WgmmaCommit();
  }

  // Scores of a tile become their weights; shrink_: of what was summed before.
  __device__ __forceinline__ void Weigh(uint32_t tile, float (&s)[kScores]) {
    const uint32_t base = (u_.item.block + tile * W::kBlocks) * kBlockTokens;
    if (u_.args.softcap > 0) {
#pragma unroll
      for (uint32_t i = 0; i < kScores; ++i)
        s[i] = u_.args.softcap * tanhf(s[i] * u_.args.scale / u_.args.softcap);
    }
    if (base + W::kTokens > all_end_ || base < all_begin_) {
#pragma unroll
      for (uint32_t i = 0; i < kScores; ++i) {
        const uint32_t at = base + 8 * (i / 4) + 2 * (lane_ % 4) + i % 2;
        const uint32_t r = i / 2 % 2;
        if (at < begin_[r] || at >= end_[r]) s[i] = -INFINITY;
      }
    }
    float next[2] = {most_[0], most_[1]};
#pragma unroll
    for (uint32_t i = 0; i < kScores; ++i) next[i / 2 % 2] = fmaxf(next[i / 2 % 2], s[i]);
    float down[2];  // the maximum, scaled
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      next[r] = fmaxf(next[r], __shfl_xor_sync(0xffffffffU, next[r], 1));
      next[r] = fmaxf(next[r], __shfl_xor_sync(0xffffffffU, next[r], 2));
      down[r] = next[r] == -INFINITY ? 0.F : next[r] * scale_;
      shrink_[r] = exp2f(most_[r] * scale_ - down[r]);
      most_[r] = next[r];
      sum_[r] *= shrink_[r];
    }
#pragma unroll
    for (uint32_t i = 0; i < kScores; ++i) {
      s[i] = Exp2(__fmaf_rn(s[i], scale_, -down[i / 2 % 2]));
      sum_[i / 2 % 2] += s[i];
    }
  }
  __device__ __forceinline__ void Pack(const float (&s)[kScores]) {
#pragma unroll
    for (uint32_t k = 0; k < W::kTokens / 16; ++k) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        p_[k][i] = AsWord(__floats2half2_rn(s[8 * k + 2 * i], s[8 * k + 2 * i + 1]));
    }
  }

  __device__ __forceinline__ void Store(uint32_t r) const {
    const uint32_t n = Vector(r);
    if (n >= u_.item.count) return;
    const float factor = 1.F / sum_[r];
    __half* to = reinterpret_cast<__half*>(u_.args.out) + uint64_t{u_.Row(n)} * u_.args.ld_out +
                 u_.Head(n) * u_.args.head_dim;
#pragma unroll
    for (uint32_t j = 0; j < kDim / 8; ++j) {
      const uint32_t i = j / (W::kOut / 8);
      const uint32_t d = 4 * (j % (W::kOut / 8)) + 2 * r;
      const uint32_t channel = 8 * j + 2 * (lane_ % 4);
      const __half a = Saturated(o_[i][d] * factor);
      const __half b = Saturated(o_[i][d + 1] * factor);
      if (u_.args.head_dim == kDim) {
        *reinterpret_cast<__half2*>(to + channel) = __halves2half2(a, b);
      } else {
        if (channel < u_.args.head_dim) to[channel] = a;
        if (channel + 1 < u_.args.head_dim) to[channel + 1] = b;
      }
    }
  }

  const Unit& u_;
  const Barriers& barriers_;
  const uint32_t group_, lane_;
  const uint64_t query_at_, keys_at_, values_at_;  // descriptors
  const float scale_;
  uint32_t begin_[2], end_[2];            // positions that the rows see
  uint32_t all_begin_ = 0, all_end_ = 0;  // that all vectors of the warpgroup see: no mask needed
  float most_[2] = {-INFINITY, -INFINITY};
  float sum_[2] = {0, 0};
  float shrink_[2];
  float o_[W::kOuts][W::kOut / 2] = {};
  uint32_t p_[W::kTokens / 16][4];
};

}  // namespace wide
#endif

template <uint32_t kDim>
__global__ void __launch_bounds__(Wide<kDim>::kThreads, 1)
    AttendWideKernel(const __grid_constant__ AttendArgs args,
                     const __grid_constant__ wide::Maps maps) {
#ifdef WRING_WGMMA
  using W = Wide<kDim>;
  extern __shared__ uint8_t shared[];
  __shared__ wide::Barriers barriers;
  LetNextStart();
  uint8_t* queries = shared + (1024 - SharedAddress(shared) % 1024) % 1024;
  uint8_t* keys = queries + W::kQueryBytes;
  uint8_t* values = keys + W::kStages * W::kKeyBytes;
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < W::kStages; ++s) {
      BarrierInit(SharedAddress(&barriers.keys_full[s]), 1);
      BarrierInit(SharedAddress(&barriers.values_full[s]), 1);
      BarrierInit(SharedAddress(&barriers.keys_free[s]), wide::kConsumerWarps);
      BarrierInit(SharedAddress(&barriers.values_free[s]), wide::kConsumerWarps);
    }
    BarrierInit(SharedAddress(&barriers.tail), 1);
    PublishShared();
  }
  __syncthreads();
  WaitForPrevious();
  // The blocks that run together share heads, so that their keys come from the second-level cache, and long items go first.
  const AttendItem item = args.items[blockIdx.x];
  const wide::Unit unit = {args, item, blockIdx.y};
  const uint32_t tiles = (item.blocks + W::kBlocks - 1) / W::kBlocks;
  if (threadIdx.x < 128) {
    FewerRegisters<40>();
    if (threadIdx.x < 32) wide::Produce<kDim>(unit, maps, keys, values, barriers, tiles);
  } else {
    MoreRegisters<232>();
    wide::Consumer<kDim>(unit, barriers, queries, keys, values).Run(tiles);
  }
#endif
}

template <uint32_t kDim>
void LaunchAttendWide(Launcher& l, const AttendArgs& args) {
  const wide::Maps maps = {RowsMap(l, args.cache.pool, kDim * 2, kBlockTokens),
                           RowsMap(l, args.cache.pool, kBlockTokens * 2, kDim)};
  Launch(l, AttendWideKernel<kDim>, dim3(args.grid_items, args.kv_heads), Wide<kDim>::kThreads,
         Wide<kDim>::kShared, args, maps);
}

using AttendWideLaunch = void (*)(Launcher&, const AttendArgs&);

}  // namespace wring::cuda
