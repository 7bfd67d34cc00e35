// attend(q, segments) for many rows, on Hopper's warpgroup products: one head size a source file, float16 cache.
//
// A block of threads has 128 query vectors of one KV head. One warpgroup copies keys and values from the pool into shared
// memory, two stages ahead; two warpgroups hold 64 vectors each and go over all positions once with a running maximum:
// while the tensor cores multiply P V of a tile, the scores of the next one are turned into P. Values lie [channel][token]
// in the cache, which is the K-major operand that P V wants.
//
// A vector's bits depend on itself alone, but not the ones of attend.cuh, which merges blocks in a tree: with --invariant
// that one serves all rows.
#pragma once

#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"
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

struct Barriers {
  uint64_t keys_full[2], keys_free[2], values_full[2], values_free[2];
};

template <uint32_t kDim>
__device__ __forceinline__ void Produce(const Unit& u, uint8_t* keys, uint8_t* values,
                                        const Barriers& barriers, uint32_t tiles) {
  using W = Wide<kDim>;
  constexpr uint32_t kRowPieces = kDim / 8;  // of a key
  constexpr uint32_t kPieces = kBlockTokens * kRowPieces;
  const CacheArg& c = u.args.cache;
  const uint64_t* offsets = c.offsets + c.first[u.item.sequence] + c.group;
  const uint32_t last = u.item.block + u.item.blocks;
  const uint32_t end = u.End(u.item.count - 1);
  const auto pool = [&](uint32_t block, uint32_t head) {
    return reinterpret_cast<const uint8_t*>(c.pool) + offsets[uint64_t{block} * c.groups] +
           c.in_block + head * c.head_bytes;
  };
  const uint8_t* key_at[W::kBlocks];
  const auto find = [&](uint32_t tile, uint32_t head, const uint8_t*(&at)[W::kBlocks]) {
#pragma unroll
    for (uint32_t b = 0; b < W::kBlocks; ++b) {
      const uint32_t block = u.item.block + tile * W::kBlocks + b;
      at[b] = pool(min(block, last - 1), head);
    }
  };
  const uint8_t* value_at[W::kBlocks];
  // Groups of copies, in the order in which the others wait for them: K0, K1, V0, K2, V1, ...; each is announced when two
  // more have been asked for.
  uint32_t announced = 0;
  const auto announce = [&] {
    PublishShared();
    const uint32_t n = announced++;
    const bool is_keys = n == 0 || (n % 2 == 1 && n / 2 + 1 < tiles);
    if (is_keys) {
      BarrierArrive(SharedAddress(&barriers.keys_full[(n == 0 ? 0 : n / 2 + 1) % W::kStages]));
    } else {
      BarrierArrive(SharedAddress(
          &barriers.values_full[((n == 2 * tiles - 1 ? tiles : n / 2) - 1) % W::kStages]));
    }
  };
  uint32_t asked = 0;
  const auto asked_one = [&] {
    CommitCopies();
    if (++asked > 2) {
      WaitCopies<2>();
      announce();
    }
  };
  const auto copy_keys = [&](uint32_t tile) {
    const uint32_t stage = tile % W::kStages;
    if (tile >= W::kStages)
      BarrierWait(SharedAddress(&barriers.keys_free[stage]), (tile / W::kStages - 1) % 2);
    uint8_t* to = keys + stage * W::kKeyBytes;
#pragma unroll
    for (uint32_t b = 0; b < W::kBlocks; ++b) {
      const bool there = u.item.block + tile * W::kBlocks + b < last;
#pragma unroll 8
      for (uint32_t i = threadIdx.x; i < kPieces; i += 128) {
        const uint32_t row = b * kBlockTokens + i / kRowPieces;
        const uint32_t piece = i % kRowPieces;
        CopyAsyncUpTo16(
            to + (piece / 8) * (W::kTokens * 128) + row * 128 + ((piece % 8) ^ (row % 8)) * 16,
            key_at[b] + i * 16, there ? 16 : 0);
      }
    }
    find(tile + 1, u.kv_head, key_at);
    asked_one();
  };
  const auto copy_values = [&](uint32_t tile) {
    const uint32_t stage = tile % W::kStages;
    if (tile >= W::kStages)
      BarrierWait(SharedAddress(&barriers.values_free[stage]), (tile / W::kStages - 1) % 2);
    uint8_t* to = values + stage * W::kValueBytes;
#pragma unroll
    for (uint32_t b = 0; b < W::kBlocks; ++b) {
      const uint32_t block = u.item.block + tile * W::kBlocks + b;
      // 0 times a number that is not one is not 0: what nobody has written must not reach the product.
      const uint32_t seen = block < last ? end - min(end, block * kBlockTokens) : 0;
#pragma unroll 8
      for (uint32_t i = threadIdx.x; i < kDim * 8; i += 128) {
        const uint32_t row = i / 8;
        const uint32_t piece = i % 8;
        const uint32_t tokens = seen - min(seen, piece * 8);
        CopyAsyncUpTo16(to + b * (kDim * 128) + row * 128 + (piece ^ (row % 8)) * 16,
                        value_at[b] + i * 16, min(tokens, 8U) * 2);
      }
    }
    find(tile + 1, u.args.cache.kv_heads + u.kv_head, value_at);
    asked_one();
  };
  find(0, u.kv_head, key_at);
  find(0, u.args.cache.kv_heads + u.kv_head, value_at);
  copy_keys(0);
  for (uint32_t tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles) copy_keys(tile + 1);
    copy_values(tile);
  }
  WaitCopies<0>();
  while (announced < asked) announce();
}

template <uint32_t kDim>
__device__ __forceinline__ void Consume(const Unit& u, uint8_t* queries, uint8_t* keys,
                                        uint8_t* values, const Barriers& barriers, uint32_t tiles) {
  using W = Wide<kDim>;
  constexpr uint32_t kPieces = kDim / 8;
  constexpr uint32_t kScores = W::kTokens / 2;  // of a thread: of two rows
  const uint32_t group = threadIdx.x / 128 - 1;
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

  const uint32_t query_at = SharedAddress(queries) + group * (64 * 128);
  const auto multiply_keys = [&](uint32_t tile, float(&s)[kScores]) {
    const uint32_t key_at = SharedAddress(keys) + tile % W::kStages * W::kKeyBytes;
    WgmmaFence(s);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < kDim / 16; ++k) {
      Wgmma<W::kTokens>::Shared(
          s, Swizzled128(query_at + k / 4 * (kWideVectors * 128) + k % 4 * 32),
          Swizzled128(key_at + k / 4 * (W::kTokens * 128) + k % 4 * 32), k != 0);
    }
    WgmmaCommit();
  };
  float o[W::kOuts][W::kOut / 2] = {};
  uint32_t p[W::kTokens / 16][4];
  const auto multiply_values = [&](uint32_t tile) {
    const uint32_t value_at = SharedAddress(values) + tile % W::kStages * W::kValueBytes;
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) WgmmaFence(o[i]);
    WgmmaBegin();
#pragma unroll
    for (uint32_t k = 0; k < W::kTokens / 16; ++k) {
#pragma unroll
      for (uint32_t i = 0; i < W::kOuts; ++i) {
        Wgmma<W::kOut>::Registers(
            o[i], p[k],
            Swizzled128(value_at + k / 4 * (kDim * 128) + i * (W::kOut * 128) + k % 4 * 32), 1);
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

  float s[kScores];
  BarrierWait(SharedAddress(&barriers.keys_full[0]), 0);
  multiply_keys(0, s);
  WgmmaWait<0>();
  WgmmaFence(s);
  BarrierArrive(SharedAddress(&barriers.keys_free[0]));
  weigh(0, s);
  pack(s);
  for (uint32_t tile = 1; tile < tiles; ++tile) {
    const uint32_t stage = tile % W::kStages;
    const uint32_t before = (tile - 1) % W::kStages;
    BarrierWait(SharedAddress(&barriers.keys_full[stage]), tile / W::kStages % 2);
    multiply_keys(tile, s);
    BarrierWait(SharedAddress(&barriers.values_full[before]), (tile - 1) / W::kStages % 2);
    multiply_values(tile - 1);
    WgmmaWait<1>();
    WgmmaFence(s);
    BarrierArrive(SharedAddress(&barriers.keys_free[stage]));
    weigh(tile, s);
    WgmmaWait<0>();
#pragma unroll
    for (uint32_t i = 0; i < W::kOuts; ++i) {
      WgmmaFence(o[i]);
#pragma unroll
      for (uint32_t j = 0; j < W::kOut / 2; ++j) o[i][j] *= shrink[j / 2 % 2];
    }
    BarrierArrive(SharedAddress(&barriers.values_free[before]));
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
    AttendWideKernel(const __grid_constant__ AttendArgs args) {
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
      BarrierInit(SharedAddress(&barriers.keys_full[s]), 128);
      BarrierInit(SharedAddress(&barriers.values_full[s]), 128);
      BarrierInit(SharedAddress(&barriers.keys_free[s]), 128 * W::kGroups);
      BarrierInit(SharedAddress(&barriers.values_free[s]), 128 * W::kGroups);
    }
  }
  __syncthreads();
  WaitForPrevious();
  const AttendItem item = args.items[blockIdx.y];
  const wide::Unit unit = {args, item, blockIdx.x};
  const uint32_t tiles = (item.blocks + W::kBlocks - 1) / W::kBlocks;
  if (threadIdx.x < 128) {
    FewerRegisters<40>();
    wide::Produce<kDim>(unit, keys, values, barriers, tiles);
  } else {
    MoreRegisters<232>();
    wide::Consume<kDim>(unit, queries, keys, values, barriers, tiles);
  }
#endif
}

template <uint32_t kDim>
void LaunchAttendWide(Launcher& l, const AttendArgs& args) {
  Launch(l, AttendWideKernel<kDim>, dim3(args.kv_heads, args.grid_items), Wide<kDim>::kThreads,
         Wide<kDim>::kShared, args);
}

using AttendWideLaunch = void (*)(Launcher&, const AttendArgs&);

}  // namespace wring::cuda
