// The product of kGemvRows to kNarrowRows rows on Hopper: weights stream through as many multiprocessors as there are tiles
// for, one block each.
//
// A block computes 64 kGroups rows of matrices x kN of activations, or a part of the strips of them: then the blocks of a
// cluster have the parts, and each gives the sums of some columns. One warp asks the copy engine for weights, which do not
// depend on the launch before, and for activations, for the first once that has ended; the others make float16 of weights in the
// registers that the tensor cores read, for which activations are arranged beforehand (ArrangeKernel), so that a strip of them
// is one copy. float16 weights are read from shared memory as they come, and activations from where they are.
//
// Not of the invariant grade: sums are cut where blocks enough to fill the GPU want it (each cut is summed in order).
#pragma once

#include "kernels/cuda/gemm_narrow_sums.cuh"
#include "kernels/cuda/row_blocks.cuh"

namespace wring::cuda {

// Arranged activations: [strip][kN rows] 128 bytes, as the tensor cores read them (Swizzled128), columns in the order in
// which lanes hold weights; rows beyond the last are zero. blockIdx.z: which kN rows, those of one after those of another.
template <int kN>
__global__ void __launch_bounds__(256)
    ArrangeKernel(const Half* x, uint32_t ldx, uint32_t rows, uint4* out) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t strip = blockIdx.x;
  const uint32_t n = blockIdx.y * 32 + threadIdx.x / 8;
  const uint32_t row = blockIdx.z * kN + n;
  const uint32_t piece = threadIdx.x % 8;
  if (n >= kN) return;
  uint4 v = {0, 0, 0, 0};
  if (row < rows) {
    const Half* from = x + uint64_t{row} * ldx + strip * kStrip;
    const uint32_t* words = reinterpret_cast<const uint32_t*>(from) + 16 * (piece / 4) + piece % 4;
    v = {words[0], words[4], words[8], words[12]};
  }
  out[(uint64_t{blockIdx.z * gridDim.x + strip} * kN + n) * 8 + (piece ^ (n % 8))] = v;
}

template <FormatId kFormat, int kColumns, int kGroups>
struct NarrowGemm {
  using F = Fragments<kFormat>;
  static constexpr bool kHalves = kFormat == FormatId::kF16;
  static constexpr uint32_t kN = kColumns;
  static constexpr uint32_t kRows = 64 * kGroups;
  static constexpr uint32_t kTiles = kRows / 16;
  // Warpgroups that share the strips of a chunk: two times two are worth it where they make float16 of weights.
  static constexpr uint32_t kSplit = !kHalves ? NarrowSplit(kGroups) : kGroups == 1 ? 2 : 1;
  static constexpr uint32_t kConsumers = 128 * kGroups * kSplit;
  static constexpr uint32_t kThreads = kConsumers + 32;
  static constexpr uint32_t kLeast = !kHalves ? F::kChunkStrips : kGroups > 3 ? 1 : 2;
  static constexpr uint32_t kChunk = kLeast < kSplit ? kSplit : kLeast;  // strips a stage
  static constexpr uint32_t kTileBytes = kChunk / F::kChunkStrips * F::kChunkBytes;
  static constexpr uint32_t kXBytes = kChunk * kN * 128;
  static constexpr uint32_t kStage = (kXBytes + kTiles * kTileBytes + 1023) / 1024 * 1024;
  // Of shared memory: what a block may have, less what is aligned away and barriers.
  static constexpr uint32_t kMost = (226 << 10) - 1024 - 256;
  static constexpr uint32_t kStages = kMost / kStage < 6 ? kMost / kStage : 6;
  static constexpr uint32_t kShared = 1024 + kStages * kStage;
  static constexpr uint32_t kPitch = kRows + 4;  // floats; of a column of sums
  static constexpr uint32_t kSums = kN * kPitch;
  static_assert(kStages >= 2 && kSplit * kSums * 4 <= kStages * kStage);
};

#ifdef WRING_WGMMA

// What the warps of a block know of it.
struct NarrowBlock {
  uint32_t stages;       // shared address; of each: activations, weights
  uint32_t full, empty;  // barriers of the stages
  RowBlock rows;
  uint32_t begin, end;  // chunks of strips
};

// Asks for the activations of a chunk, by one thread.
template <typename G, typename Maps>
__device__ __forceinline__ void FeedActivations(const Maps& maps, const uint4* x,
                                                const NarrowBlock& b, uint32_t strips,
                                                uint32_t chunk, uint32_t slot) {
  const uint32_t count = min(G::kChunk, strips - chunk * G::kChunk);
  const uint32_t to = b.stages + slot * G::kStage;
  const uint32_t barrier = b.full + 8 * slot;
  if constexpr (G::kHalves) {
    for (uint32_t s = 0; s < count; ++s)
      CopyBox(to + s * G::kN * 128, &maps.x, barrier, (chunk * G::kChunk + s) * kStrip, 0);
  } else {
    CopyBulk(to, x + chunk * G::kChunk * G::kN * 8, count * G::kN * 128, barrier);
  }
}
template <typename G>
__device__ __forceinline__ uint32_t FirstChunks(const NarrowBlock& b) {
  return min(b.end, b.begin + G::kStages);
}

// One warp asks for weights and activations, chunk after chunk; activations of the first chunks are asked for by a thread that
// has waited for the launch before.
template <typename G, typename Maps>
__device__ __forceinline__ void FeedNarrow(const LinearArgs& args, const Maps& maps, const uint4* x,
                                           const NarrowBlock& b, uint32_t lane) {
  constexpr uint32_t kChunk = G::kChunk;
  const uint32_t strips = args.part[0].w.strips;
  const uint8_t* tile_at = TileAt(args, b.rows, lane);
  const auto weights = [&](uint32_t chunk, uint32_t slot) {
    const uint32_t count = min(kChunk, strips - chunk * kChunk);
    const uint32_t bytes = G::kTileBytes / kChunk * count;
    const uint32_t barrier = b.full + 8 * slot;
    const uint32_t to = b.stages + slot * G::kStage + G::kXBytes;
    if (lane == 0) BarrierArriveExpecting(barrier, count * G::kN * 128 + b.rows.tiles * bytes);
    __syncwarp();
    CopyWeights<G, G::kTiles * 2048>(maps, b.rows, tile_at, chunk * kChunk, count, to, barrier,
                                     lane);
  };
  const uint32_t first = FirstChunks<G>(b);
  const uint64_t start = Nanoseconds();
  for (uint32_t c = b.begin; c < first; ++c) {
    Pace(args.calm, start, (c - b.begin) * b.rows.tiles * G::kTileBytes);
    weights(c, c - b.begin);
  }
  uint32_t slot = 0;
  uint32_t parity = 0;
  WaitForPrevious();
  for (uint32_t c = first; c < b.end; ++c) {
    BarrierWait(b.empty + 8 * slot, parity);
    weights(c, slot);
    if (lane == 0) FeedActivations<G>(maps, x, b, strips, c, slot);
    if (++slot == G::kStages) {
      slot = 0;
      parity ^= 1;
    }
  }
}

// The other warps multiply: acc of 64 rows of the group, and of the strips that the warpgroup has of each chunk.
template <FormatId kFormat, typename G>
__device__ __forceinline__ void MultiplyNarrow(float (&acc)[G::kN / 2], const NarrowBlock& b,
                                               uint32_t strips, uint32_t group, uint32_t k_part,
                                               uint32_t in_block, uint32_t lane) {
  using F = Fragments<kFormat>;
  constexpr uint32_t kChunk = G::kChunk;
  uint32_t slot = 0;
  uint32_t parity = 0;
  for (uint32_t c = b.begin; c < b.end; ++c) {
    BarrierWait(b.full + 8 * slot, parity);
    const uint32_t x_at = b.stages + slot * G::kStage;
    const uint32_t x_low = Swizzled128Low(x_at);
    const uint32_t w_at = x_at + G::kXBytes;
    BlockWeights w[2][2];
    WgmmaFence(acc);
#pragma unroll
    for (uint32_t i = 0; i < kChunk / G::kSplit; ++i) {
      const uint32_t s = i * G::kSplit + k_part;
      if (kChunk > FragmentPartsOf(kFormat).strips && c * kChunk + s >= strips) break;
      const uint32_t x_of = x_low + s * (G::kN * 128 / 16);
      if constexpr (G::kHalves) {
        const uint32_t w_of = Swizzled128Low(w_at + (s * G::kTiles + group * 4) * 2048);
        WgmmaBegin();
#pragma unroll
        for (uint32_t k = 0; k < 4; ++k)
          Wgmma<G::kN>::Shared(acc, Swizzled128Of(w_of + 2 * k), Swizzled128Of(x_of + 2 * k), 1);
      } else {
        const typename F::Raw raw = F::ReadChunk(w_at + in_block * G::kTileBytes, s, lane);
#pragma unroll
        for (uint32_t h = 0; h < 2; ++h) w[i % 2][h] = F::Dequant(raw, h, lane);
        WgmmaBegin();
#pragma unroll
        for (uint32_t k = 0; k < 4; ++k) {
          const uint32_t p = k % 2 * 2;
          const BlockWeights& v = w[i % 2][k / 2];
          const uint32_t a[4] = {v.a[0][p], v.a[1][p], v.a[0][p + 1], v.a[1][p + 1]};
          Wgmma<G::kN>::Registers(acc, a, Swizzled128Of(x_of + 2 * k), 1);
        }
      }
      WgmmaCommit();
      WgmmaWait<1>();
    }
    WgmmaWait<0>();
    WgmmaFence(acc);
    __syncwarp();
    if (lane == 0) BarrierArrive(b.empty + 8 * slot);
    if (++slot == G::kStages) {
      slot = 0;
      parity ^= 1;
    }
  }
}

#endif  // WRING_WGMMA

// gated: parts 0 and 1 are gate and up, and the output is theirs. x: arranged, for weights that are not
// float16.
template <FormatId kFormat, int kN, int kGroups>
__global__ void __launch_bounds__(NarrowGemm<kFormat, kN, kGroups>::kThreads, 1)
    NarrowGemmKernel(const __grid_constant__ LinearArgs args,
                     const __grid_constant__ HalfMaps<kFormat> maps, const uint4* x,
                     const GatedOut gated, const NarrowCut cut,
                     const __grid_constant__ SendArgs send) {
#ifdef WRING_WGMMA
  using G = NarrowGemm<kFormat, kN, kGroups>;
  extern __shared__ uint8_t narrow_shared[];
  __shared__ uint64_t barriers[2 * G::kStages];
  LetNextStart();
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t chunks = (strips + G::kChunk - 1) / G::kChunk;
  const uint32_t splits = cut.splits;
  const uint32_t rank = splits == 1 ? 0 : blockIdx.x % splits;
  NarrowBlock b;
  b.stages = (SharedAddress(narrow_shared) + 1023) / 1024 * 1024;
  b.full = SharedAddress(barriers);
  b.empty = b.full + 8 * G::kStages;
  b.rows = RowBlockOf(args, gated.out != nullptr, cut.tiles,
                      splits == 1 ? blockIdx.x : blockIdx.x / splits);
  b.begin = chunks * rank / splits;
  b.end = chunks * (rank + 1) / splits;
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < G::kStages; ++i) {
      BarrierInit(b.full + 8 * i, 1);
      BarrierInit(b.empty + 8 * i, G::kConsumers / 32);
    }
    PublishShared();
  }
  __syncthreads();
  if (warp == G::kConsumers / 32) {
    FeedNarrow<G>(args, maps, x, b, lane);
    if (splits > 1) {
      ClusterSync();
      ClusterPart();
    }
    return;
  }

  WaitForPrevious();
  if (threadIdx.x == 0) {
    for (uint32_t c = b.begin; c < FirstChunks<G>(b); ++c)
      FeedActivations<G>(maps, x, b, strips, c, c - b.begin);
  }
  const uint32_t group = warp / 4 % kGroups;
  const uint32_t k_part = warp / 4 / kGroups;
  const uint32_t in_block = group * 4 + warp % 4;  // tile
  float acc[kN / 2] = {};
  MultiplyNarrow<kFormat, G>(acc, b, strips, group, k_part, in_block, lane);
  // So late that the exchange does not ask for sums all the while.
  if (blockIdx.x == 0) SayBegun(send, args.rows);
  SyncThreads(1, G::kConsumers);  // nobody reads weights any more: sums take their place
#pragma unroll
  for (uint32_t j = 0; j < kN / 2; ++j) {
    const uint32_t row = in_block * 16 + lane / 4 + 8 * (j / 2 % 2);
    const uint32_t col = 8 * (j / 4) + 2 * (lane % 4) + j % 2;
    StoreSum(b.stages + 4 * (k_part * G::kSums + col * G::kPitch + row), acc[j]);
  }
  StoreNarrow<G>(args, gated, send, {b.stages, b.rows, splits, rank});
#endif
}

}  // namespace wring::cuda
