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

#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tensor_map.h"
#include "kernels/cuda/wgmma.cuh"

namespace wring::cuda {

template <uint32_t kDim>
struct Wide {
  static constexpr uint32_t kGroups = 2;  // of 64 vectors
  static constexpr uint32_t kThreads = 128 * (1 + kGroups);
  static constexpr uint32_t kTokens = kDim <= 128 ? 128 : 64;  // a tile
  static constexpr uint32_t kBlocks = kTokens / kBlockTokens;
  static constexpr uint32_t kStages = 2;
  static constexpr uint32_t kChunks = (kDim + 63) / 64;  // of 64 channels: 128 bytes
  static constexpr uint32_t kQueryBytes = kChunks * kWideVectors * 128;
  static constexpr uint32_t kKeyBytes = kChunks * kTokens * 128;  // [chunk][token][64 channels]
  static constexpr uint32_t kValueBytes = kBlocks * kDim * 128;   // [block][channel][64 tokens]
  static constexpr uint32_t kShared = 1024 + kQueryBytes + kStages * (kKeyBytes + kValueBytes);
  // Output columns a product.
  static constexpr uint32_t kOut = kDim <= 128 ? kDim : kDim / 2;
  static constexpr uint32_t kOuts = kDim / kOut;
  static_assert(kDim % 16 == 0 && kDim >= 64 && kDim <= 256);
};

namespace wide {

// Keys and values of a block: of its own rows, [token][channel] and [channel][token].
struct Maps {
  CUtensorMap keys, values;
};

}  // namespace wide

#ifdef WRING_WGMMA
namespace wide {

// Which tile and vectors a block of threads has.
struct Unit {
  const AttendArgs& args;
  const AttendItem& item;
  uint32_t kv_head;

  __device__ uint32_t Group() const { return args.heads / args.kv_heads; }
  __device__ uint32_t Row(uint32_t n) const { return item.first_row + (item.first + n) / Group(); }
  __device__ uint32_t Head(uint32_t n) const {
    const uint32_t i = (item.first + n) % Group();
    return args.strided ? i * args.kv_heads + kv_head : kv_head * Group() + i;
  }
  // One past the last position that vector n sees.
  __device__ uint32_t End(uint32_t n) const { return args.row.position[Row(n)] + 1; }
  __device__ uint32_t Begin(uint32_t end) const {
    return args.window != 0 && end > args.window ? end - args.window : 0;
  }
};

// Of the stages; `tail`: of the last values.
struct Barriers {
  uint64_t keys_full[2], keys_free[2], values_full[2], values_free[2], tail;
};
inline constexpr uint32_t kConsumerWarps = 8;  // arrive at the free ones

// Where the copy engine finds keys and values of the pool (tensor_map.h).
template <uint32_t kRowBytes>
struct Place {
  uint32_t low, high;
  __device__ explicit Place(uint64_t offset)
      : low(static_cast<uint32_t>(offset % RowsMapUnit(kRowBytes)) / RowsMapStep(kRowBytes)),
        high(static_cast<uint32_t>(offset / RowsMapUnit(kRowBytes))) {}
};

// Positions from `seen` on of a tile's values become zeros: 0 times a number that is not one is not 0, and nobody has
// written there. By one warp.
template <uint32_t kDim>
__device__ __forceinline__ void ClearTail(uint8_t* values, uint32_t seen) {
  for (uint32_t i = seen / 8 * kDim + threadIdx.x; i < Wide<kDim>::kTokens / 8 * kDim; i += 32) {
    const uint32_t tokens = i / kDim * 8;  // the first of this piece
    const uint32_t row = i % kDim;
    auto* piece = reinterpret_cast<uint4*>(values + tokens / kBlockTokens * (kDim * 128) + row * 128 +
                                           (tokens / 8 % 8 ^ row % 8) * 16);
    const uint32_t kept = seen > tokens ? seen - tokens : 0;
    uint4 v = {0, 0, 0, 0};
    if (kept != 0) {
      v = *piece;
      uint32_t* words = &v.x;
#pragma unroll
      for (uint32_t w = 0; w < 4; ++w)
        words[w] &= kept >= 2 * w + 2 ? 0xffffffffU : kept == 2 * w + 1 ? 0xffffU : 0U;
    }
    *piece = v;
  }
  PublishShared();
  __syncwarp();
}

// One warp asks the copy engine for tiles, keys one ahead of values.
template <uint32_t kDim>
__device__ __forceinline__ void Produce(const Unit& u, const Maps& maps, uint8_t* keys,
                                        uint8_t* values, const Barriers& barriers, uint32_t tiles) {
  using W = Wide<kDim>;
  const CacheArg& c = u.args.cache;
  const uint64_t* offsets = c.offsets + c.first[u.item.sequence] + c.group;
  const uint64_t key_at = c.in_block + u.kv_head * c.head_bytes;
  const uint64_t value_at = key_at + c.kv_heads * c.head_bytes;
  const uint32_t end = u.End(u.item.count - 1);
  const bool asks = threadIdx.x == 0;
  // Offsets of a tile's blocks, those behind the last one the last one's.
  struct Blocks {
    uint64_t at[W::kBlocks];
  };
  const auto find = [&](uint32_t tile) {
    Blocks found;
#pragma unroll
    for (uint32_t b = 0; b < W::kBlocks; ++b) {
      const uint32_t block = min(tile * W::kBlocks + b, u.item.blocks - 1);
      found.at[b] = offsets[uint64_t{u.item.block + block} * c.groups];
    }
    return found;
  };
  const auto blocks = [&](uint32_t tile) { return min(u.item.blocks - tile * W::kBlocks, W::kBlocks); };
  const auto copy_keys = [&](uint32_t tile, const Blocks& found) {
    const uint32_t stage = tile % W::kStages;
    const uint32_t full = SharedAddress(&barriers.keys_full[stage]);
    if (tile >= W::kStages)
      BarrierWait(SharedAddress(&barriers.keys_free[stage]), (tile / W::kStages - 1) % 2);
    if (!asks) return;
    const uint32_t to = SharedAddress(keys) + stage * W::kKeyBytes;
    BarrierArriveExpecting(full, blocks(tile) * (W::kChunks * kBlockTokens * 128));
#pragma unroll
    for (uint32_t b = 0; b < W::kBlocks; ++b) {
      if (b >= blocks(tile)) break;
      const Place<kDim * 2> at(found.at[b] + key_at);
#pragma unroll
      for (uint32_t chunk = 0; chunk < W::kChunks; ++chunk) {
        CopyBox(to + (chunk * W::kTokens + b * kBlockTokens) * 128, &maps.keys, full, chunk * 64, at.low,
                0, at.high);
      }
    }
  };
  const auto copy_values = [&](uint32_t tile, const Blocks& found) {
    const uint32_t stage = tile % W::kStages;
    const uint32_t base = (u.item.block + tile * W::kBlocks) * kBlockTokens;
    const bool is_tail = base + W::kTokens > end;
    const uint32_t full = SharedAddress(is_tail ? &barriers.tail : &barriers.values_full[stage]);
    if (tile >= W::kStages)
      BarrierWait(SharedAddress(&barriers.values_free[stage]), (tile / W::kStages - 1) % 2);
    if (asks) {
      const uint32_t to = SharedAddress(values) + stage * W::kValueBytes;
      BarrierArriveExpecting(full, blocks(tile) * (kDim * 128));
#pragma unroll
      for (uint32_t b = 0; b < W::kBlocks; ++b) {
        if (b >= blocks(tile)) break;
        const Place<128> at(found.at[b] + value_at);
        CopyBox(to + b * (kDim * 128), &maps.values, full, 0, at.low, 0, at.high);
      }
    }
    if (!is_tail) return;
    BarrierWait(full, 0);
    ClearTail<kDim>(values + stage * W::kValueBytes, end - base);
    if (asks) BarrierArrive(SharedAddress(&barriers.values_full[stage]));
  };
  Blocks now = find(0);
  copy_keys(0, now);
  for (uint32_t tile = 0; tile < tiles; ++tile) {
    const Blocks next = find(tile + 1);
    if (tile + 1 < tiles) copy_keys(tile + 1, next);
    copy_values(tile, now);
    now = next;
  }
}

template <uint32_t kDim>
__device__ __forceinline__ void Consume(const Unit& u, uint8_t* queries, uint8_t* keys,
                                        uint8_t* values, const Barriers& barriers, uint32_t tiles) {
  using W = Wide<kDim>;
  constexpr uint32_t kPieces = kDim / 8;
  constexpr uint32_t kScores = W::kTokens / 2;  // of a thread: of two rows
  const uint32_t group = __shfl_sync(0xffffffffU, threadIdx.x / 128 - 1, 0);  // the same in a warp
  const uint32_t in_group = threadIdx.x % 128;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t t = lane % 4;
  for (uint32_t i = in_group; i < 64 * kPieces; i += 128) {
    const uint32_t n = 64 * group + i / kPieces;
    const uint32_t piece = i % kPieces;
    uint4 q = {0, 0, 0, 0};
    if (n < u.item.count) {
      q = *reinterpret_cast<const uint4*>(u.args.q + uint64_t{u.Row(n)} * u.args.ldq +
                                          u.Head(n) * kDim + piece * 8);
    }
    *reinterpret_cast<uint4*>(queries + (piece / 8) * (kWideVectors * 128) + n * 128 +
                              ((piece % 8) ^ (n % 8)) * 16) = q;
  }
  PublishShared();
  SyncThreads(1 + group, 128);

  // Positions that rows 0 and 1 of this thread see.
  uint32_t begin[2];
  uint32_t end[2];
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    const uint32_t n = 64 * group + in_group / 32 * 16 + lane / 4 + 8 * r;
    end[r] = n < u.item.count ? u.End(n) : 0;
    begin[r] = u.Begin(end[r]);
  }
  // What all vectors of this warpgroup see needs no mask.
  const uint32_t first = 64 * group;
  const uint32_t final = min(first + 63, u.item.count - 1);
  const uint32_t all_end = first < u.item.count ? u.End(first) : 0;
  const uint32_t all_begin = first < u.item.count ? u.Begin(u.End(final)) : 0;
  constexpr float kLog2e = 1.44269504F;
  const float scale = u.args.softcap > 0 ? kLog2e : u.args.scale * kLog2e;

  // Descriptors count in steps of 16 bytes.
  const uint64_t query_at = Swizzled128(SharedAddress(queries) + group * (64 * 128));
  const uint64_t keys_at = Swizzled128(SharedAddress(keys));
  const uint64_t values_at = Swizzled128(SharedAddress(values));
  const auto multiply_keys = [&](uint32_t tile, float(&s)[kScores]) {
    const uint64_t key_at = keys_at + tile % W::kStages * (W::kKeyBytes / 16);
    WgmmaFence(s);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < kDim / 16; ++k) {
      Wgmma<W::kTokens>::Shared(
          s, query_at + (k / 4 * (kWideVectors * 128) + k % 4 * 32) / 16,
          key_at + (k / 4 * (W::kTokens * 128) + k % 4 * 32) / 16, k != 0);
    }
    WgmmaCommit();
  };
  float o[W::kOuts][W::kOut / 2] = {};
  uint32_t p[W::kTokens / 16][4];
  const auto multiply_values = [&](uint32_t tile) {
    const uint64_t value_at = values_at + tile % W::kStages * (W::kValueBytes / 16);
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) WgmmaFence(o[i]);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < W::kTokens / 16; ++k) {
#pragma unroll
      for (uint32_t i = 0; i < W::kOuts; ++i) {
        Wgmma<W::kOut>::Registers(
            o[i], p[k],
            value_at + (k / 4 * (kDim * 128) + i * (W::kOut * 128) + k % 4 * 32) / 16, 1);
      }
    }
    WgmmaCommit();
  };
  float most[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};
  float shrink[2];
  // Scores of a tile become their weights; shrink: of what was summed before.
  const auto weigh = [&](uint32_t tile, float(&s)[kScores]) {
    const uint32_t base = (u.item.block + tile * W::kBlocks) * kBlockTokens;
    if (u.args.softcap > 0) {
#pragma unroll
      for (uint32_t i = 0; i < kScores; ++i)
        s[i] = u.args.softcap * tanhf(s[i] * u.args.scale / u.args.softcap);
    }
    if (base + W::kTokens > all_end || base < all_begin) {
#pragma unroll
      for (uint32_t i = 0; i < kScores; ++i) {
        const uint32_t at = base + 8 * (i / 4) + 2 * t + i % 2;
        const uint32_t r = i / 2 % 2;
        if (at < begin[r] || at >= end[r]) s[i] = -INFINITY;
      }
    }
    float next[2] = {most[0], most[1]};
#pragma unroll
    for (uint32_t i = 0; i < kScores; ++i) next[i / 2 % 2] = fmaxf(next[i / 2 % 2], s[i]);
    float down[2];  // the maximum, scaled
#pragma unroll
    for (uint32_t r = 0; r < 2; ++r) {
      next[r] = fmaxf(next[r], __shfl_xor_sync(0xffffffffU, next[r], 1));
      next[r] = fmaxf(next[r], __shfl_xor_sync(0xffffffffU, next[r], 2));
      down[r] = next[r] == -INFINITY ? 0.F : next[r] * scale;
      shrink[r] = exp2f(most[r] * scale - down[r]);
      most[r] = next[r];
      sum[r] *= shrink[r];
    }
#pragma unroll
    for (uint32_t i = 0; i < kScores; ++i) {
      s[i] = Exp2(__fmaf_rn(s[i], scale, -down[i / 2 % 2]));
      sum[i / 2 % 2] += s[i];
    }
  };
  const auto pack = [&](const float(&s)[kScores]) {
#pragma unroll
    for (uint32_t k = 0; k < W::kTokens / 16; ++k) {
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i)
        p[k][i] = AsWord(__floats2half2_rn(s[8 * k + 2 * i], s[8 * k + 2 * i + 1]));
    }
  };

  const auto release = [&](const uint64_t& barrier) {
    if (lane == 0) BarrierArrive(SharedAddress(&barrier));
  };

  float s[kScores];
  BarrierWait(SharedAddress(&barriers.keys_full[0]), 0);
  multiply_keys(0, s);
  WgmmaWait<0>();
  WgmmaFence(s);
  release(barriers.keys_free[0]);
  weigh(0, s);
  pack(s);
  // The warpgroups take turns at the tensor cores: while one's products run, the other has its exponentials.
  constexpr uint32_t kTurn = 1 + W::kGroups;
  if (group == 1 && tiles > 1) ArriveThreads(kTurn, 256);
  for (uint32_t tile = 1; tile < tiles; ++tile) {
    const uint32_t stage = tile % W::kStages;
    const uint32_t before = (tile - 1) % W::kStages;
    BarrierWait(SharedAddress(&barriers.keys_full[stage]), tile / W::kStages % 2);
    BarrierWait(SharedAddress(&barriers.values_full[before]), (tile - 1) / W::kStages % 2);
    SyncThreads(kTurn + group, 256);
    multiply_keys(tile, s);
    multiply_values(tile - 1);
    if (group == 0 || tile + 1 < tiles) ArriveThreads(kTurn + 1 - group, 256);
    WgmmaWait<1>();
    WgmmaFence(s);
    release(barriers.keys_free[stage]);
    weigh(tile, s);
    WgmmaWait<0>();
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) {
      WgmmaFence(o[i]);
#pragma unroll
      for (uint32_t j = 0; j < W::kOut / 2; ++j) o[i][j] *= shrink[j / 2 % 2];
    }
    release(barriers.values_free[before]);
    pack(s);
  }
  BarrierWait(SharedAddress(&barriers.values_full[(tiles - 1) % W::kStages]),
              (tiles - 1) / W::kStages % 2);
  multiply_values(tiles - 1);
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    sum[r] += __shfl_xor_sync(0xffffffffU, sum[r], 1);
    sum[r] += __shfl_xor_sync(0xffffffffU, sum[r], 2);
  }
  WgmmaWait<0>();
#pragma unroll
  for (uint32_t i = 0; i < W::kOuts; ++i) WgmmaFence(o[i]);
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    const uint32_t n = 64 * group + in_group / 32 * 16 + lane / 4 + 8 * r;
    if (n >= u.item.count) continue;
    const float factor = 1.F / sum[r];
    __half* to = reinterpret_cast<__half*>(u.args.out) + uint64_t{u.Row(n)} * u.args.ld_out +
                 u.Head(n) * u.args.head_dim;
#pragma unroll
    for (uint32_t j = 0; j < kDim / 8; ++j) {
      const uint32_t i = j / (W::kOut / 8);
      const uint32_t d = 4 * (j % (W::kOut / 8)) + 2 * r;
      const uint32_t channel = 8 * j + 2 * t;
      const __half a = Saturated(o[i][d] * factor);
      const __half b = Saturated(o[i][d + 1] * factor);
      if (u.args.head_dim == kDim) {
        *reinterpret_cast<__half2*>(to + channel) = __halves2half2(a, b);
      } else {
        if (channel < u.args.head_dim) to[channel] = a;
        if (channel + 1 < u.args.head_dim) to[channel + 1] = b;
      }
    }
  }
}

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
  const AttendItem item = args.items[gridDim.x - 1 - blockIdx.x];
  const wide::Unit unit = {args, item, blockIdx.y};
  const uint32_t tiles = (item.blocks + W::kBlocks - 1) / W::kBlocks;
  if (threadIdx.x < 128) {
    FewerRegisters<40>();
    if (threadIdx.x < 32) wide::Produce<kDim>(unit, maps, keys, values, barriers, tiles);
  } else {
    MoreRegisters<232>();
    wide::Consume<kDim>(unit, queries, keys, values, barriers, tiles);
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
