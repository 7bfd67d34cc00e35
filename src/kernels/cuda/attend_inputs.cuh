// What a block of attention needs of the launch before it: queries in shared memory, and, where attention writes the cache on its
// way, keys and values of the rows that fall into the item's blocks.
#pragma once

#include "kernels/cuda/attend_block.cuh"

namespace wring::cuda {

template <CodecId kCodec, uint32_t kDim, typename A>
struct AttendInputs {
  const A& a;
  const AppendArgs& append;
  __half* queries;  // [vector] at QueryPitch(), then a float32 head a warp
  // The item has one row, whose key and value [2][kDim] go to `fresh`, for Renew(), if its blocks have the position.
  bool renews;
  __half* fresh;
  uint32_t first_position;  // of the item's rows

  __device__ __forceinline__ __half* Query(uint32_t n) const {
    return queries + n * QueryPitch(kDim);
  }

  // Turned queries as they are.
  __device__ __forceinline__ void Copy() const {
    constexpr uint32_t kPieces = kDim / 8;
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < a.item.count * kPieces; i += kAttendThreads) {
      const uint32_t n = i / kPieces;
      const uint32_t channel = i % kPieces * 8;
      const Half* q = a.args.q + uint64_t{a.Row(n)} * a.args.ldq + a.Head(n) * kDim;
      *reinterpret_cast<uint4*>(Query(n) + channel) = *reinterpret_cast<const uint4*>(q + channel);
    }
  }

  // Queries are turned here, and keys and values written, or made for Renew().
  __device__ __forceinline__ void AppendAndTurn() const {
    // A value for Renew() is only copied, so all threads do.
    constexpr uint32_t kEach = (kDim + kAttendThreads - 1) / kAttendThreads;
    const bool here = renews && first_position / kBlockTokens - a.item.block < a.item.blocks;
    float value[kEach] = {};
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j) {
      const uint32_t c = threadIdx.x + j * kAttendThreads;
      if (!here || c >= a.args.head_dim) continue;
      value[j] =
          LoadInput(append, append.v,
                    uint64_t{a.item.first_row} * append.ldk + a.kv_head * a.args.head_dim + c);
    }
    const uint32_t heads = a.item.count + (renews ? 1 : 2 * a.item.rows);
#pragma unroll 1
    for (uint32_t i = a.warp(); i < heads; i += kAttendWarps) Turn(i);
#pragma unroll
    for (uint32_t j = 0; j < kEach; ++j) {
      const uint32_t c = threadIdx.x + j * kAttendThreads;
      if (here && c < kDim) fresh[kDim + c] = Saturated(value[j]);
    }
  }

 private:
  // A warp: query i of the item, or, behind those, keys and values of its rows in turn.
  __device__ __forceinline__ void Turn(uint32_t i) const {
    const AttendItem& item = a.item;
    const uint32_t lane = a.lane();
    const bool query = i < item.count;
    const uint32_t r = (i - item.count) / 2;
    const bool key = (i - item.count) % 2 == 0;
    const uint32_t row = query ? a.Row(i) : item.first_row + r;
    const uint32_t position = item.rows == 1 ? first_position : a.args.row.position[row];
    const uint32_t block = position / kBlockTokens;
    if (!query && block - item.block >= item.blocks) return;
    const HeadKind kind = query ? HeadKind::kQuery : key ? HeadKind::kKey : HeadKind::kValue;
    const uint32_t head = query ? a.Head(i) : a.kv_head;
    if (query || renews) {
      __half* to = query ? Query(i) : fresh;
      PrepareHead<kDim>(append, row, head, kind, lane,
                        [&](uint32_t c, float v) { to[c] = Saturated(v); });
#pragma unroll 1
      for (uint32_t c = a.args.head_dim + lane; c < kDim; c += 32) to[c] = __half(0.F);
      return;
    }
    float* vector = reinterpret_cast<float*>(Query(item.count)) + a.warp() * kDim;
    PrepareHead<kDim>(append, row, head, kind, vector, lane);
    StoreHead<kCodec>(a.args.head_dim,
                      HeadOf(a.args.cache, BlockAt(a.args.cache, item.sequence, block),
                             key ? a.kv_head : a.args.cache.kv_heads + a.kv_head),
                      position % kBlockTokens, key, vector, lane);
    __syncwarp();
  }
};

}  // namespace wring::cuda
