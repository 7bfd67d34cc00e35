// attend_wide.cuh's side of the copies: what a block of threads has, and how its keys and values come from the pool.
#pragma once

#include "kernels/cuda/barrier.cuh"
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
    auto* piece = reinterpret_cast<uint4*>(values + tokens / kBlockTokens * (kDim * 128) +
                                           row * 128 + (tokens / 8 % 8 ^ row % 8) * 16);
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
  const auto blocks = [&](uint32_t tile) {
    return min(u.item.blocks - tile * W::kBlocks, W::kBlocks);
  };
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
        CopyBox(to + (chunk * W::kTokens + b * kBlockTokens) * 128, &maps.keys, full, chunk * 64,
                at.low, 0, at.high);
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

}  // namespace wide
#endif

}  // namespace wring::cuda
