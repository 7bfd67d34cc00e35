// The product of more than kGemvRows rows on Hopper in the invariant grade: segments of the columns are summed in order and
// added in order, as GEMV does (kernels.h). The tensor cores give a warpgroup's product of 16 columns the bits of a warp's,
// whatever the order within the 16 (measured; tests compare the kernels), so only which 16 go together must be the same.
//
// A block computes 64 kGroups rows of matrices x kN of activations. One warp asks the copy engine for weights, another for
// activations, which are arranged beforehand (ArrangeKernel); each warpgroup makes float16 of the weights of its 64 rows in
// the registers that the tensor cores read, float16 weights too: lanes must hold the columns that GEMV's hold.
#pragma once

#include "kernels/cuda/gemm_narrow.cuh"

namespace wring::cuda {

template <FormatId kFormat, int kColumns, int kGroups>
struct ManyGemm {
  using F = Fragments<kFormat>;
  static constexpr bool kHalves = kFormat == FormatId::kF16;
  static constexpr uint32_t kN = kColumns;
  static constexpr uint32_t kRows = 64 * kGroups;
  static constexpr uint32_t kTiles = kRows / 16;
  static constexpr uint32_t kConsumers = 128 * kGroups;
  static constexpr uint32_t kThreads = kConsumers + 128;
  static constexpr uint32_t kBlocks = kGroups == 1 ? 2 : 1;  // a multiprocessor
  static constexpr uint32_t kChunk = F::kChunkStrips;        // strips of weights a stage
  static constexpr uint32_t kTileBytes = F::kChunkBytes;
  static constexpr uint32_t kWeightStage = kTiles * kTileBytes;
  static constexpr uint32_t kXStage = kN * 128;  // a strip
  // Of shared memory: what blocks may have, less what is aligned away and barriers.
  static constexpr uint32_t kMost = (226 << 10) / kBlocks - 1024 - 512;
  // Strips of activations that are ahead, and weights for as many.
  static constexpr uint32_t WeightStages(uint32_t x_stages) {
    return kChunk == 1 ? x_stages : x_stages / kChunk + 1;
  }
  static constexpr uint32_t Bytes(uint32_t x_stages) {
    return x_stages * kXStage + WeightStages(x_stages) * kWeightStage;
  }
  static constexpr uint32_t Stages() {
    uint32_t n = 2;
    while (n < 12 && Bytes(n + 1) <= kMost) ++n;
    return n;
  }
  static constexpr uint32_t kXStages = Stages();
  static constexpr uint32_t kWStages = WeightStages(kXStages);
  static constexpr uint32_t kShared = 1024 + Bytes(kXStages);
  // Of the sums that StoreSums reads.
  static constexpr uint32_t kSplit = 1;
  static constexpr uint32_t kPitch = kRows + 4;
  static constexpr uint32_t kSums = kN * kPitch;
  static_assert(Bytes(kXStages) <= kMost && kSums * 4 <= Bytes(kXStages));
  static_assert(kXStage % 1024 == 0);
};

#ifdef WRING_WGMMA

// A place in a ring of stages.
template <uint32_t kStages>
struct RingPlace {
  uint32_t slot = 0, parity = 0;
  __device__ __forceinline__ void Next() {
    if (++slot < kStages) return;
    slot = 0;
    parity ^= 1;
  }
};

// What the warps of a block know of it.
struct ManyBlock {
  uint32_t x, weights;                                    // shared addresses of the rings
  uint32_t x_full, x_empty, weights_full, weights_empty;  // barriers of their stages
  uint32_t first_tile, all_tiles;
};

// A warp asks for the weights, chunks of strips that end with their segment.
template <FormatId kFormat, typename G, typename Maps>
__device__ __forceinline__ void FeedWeights(const LinearArgs& args, const Maps& maps, bool gated,
                                            const ManyBlock& b, uint32_t lane) {
  const uint32_t strips = args.part[0].w.strips;
  const NarrowTile tile =
      NarrowTileOf(args, gated, b.first_tile + lane, b.all_tiles, lane < G::kTiles);
  RingPlace<G::kWStages> at;
  for (uint32_t segment = 0; segment < kSegments; ++segment) {
    const uint32_t end = SegmentBegin<kFormat>(segment + 1, strips);
    for (uint32_t s = SegmentBegin<kFormat>(segment, strips); s < end; s += G::kChunk, at.Next()) {
      BarrierWait(b.weights_empty + 8 * at.slot, at.parity ^ 1);
      const uint32_t count = min(G::kChunk, end - s);
      const uint32_t barrier = b.weights_full + 8 * at.slot;
      if (lane == 0)
        BarrierArriveExpecting(barrier, G::kTiles * (G::kTileBytes / G::kChunk) * count);
      __syncwarp();
      if (lane >= G::kTiles) continue;
      CopyStrips<G, 2048>(args, maps, tile, s, count,
                          b.weights + at.slot * G::kWeightStage + lane * G::kTileBytes, barrier);
    }
  }
}

// A thread asks for the activations.
template <typename G>
__device__ __forceinline__ void FeedActivations(const uint4* x, uint32_t strips,
                                                const ManyBlock& b) {
  RingPlace<G::kXStages> at;
  for (uint32_t s = 0; s < strips; ++s, at.Next()) {
    BarrierWait(b.x_empty + 8 * at.slot, at.parity ^ 1);
    BarrierArriveExpecting(b.x_full + 8 * at.slot, G::kXStage);
    CopyBulk(b.x + at.slot * G::kXStage, x + uint64_t{s} * G::kN * 8, G::kXStage,
             b.x_full + 8 * at.slot);
  }
}

// A strip of float16 weights of a tile in shared memory as Swizzled128 says, for a lane: what Fragments<kF16> would give.
// Lanes of odd rows read the second block first: the rows of a request would be in the same banks.
__device__ __forceinline__ void ReadHalves(uint32_t tile, uint32_t lane, BlockWeights (&w)[2]) {
  const uint32_t g = lane / 4;
  const bool odd = g % 2 != 0;
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    uint4 v[2];
#pragma unroll
    for (uint32_t k = 0; k < 2; ++k) {
      const uint32_t piece = 4 * (k ^ (g & 1)) + lane % 4;
      v[k] = LoadShared(tile + (g + 8 * r) * 128 + (piece ^ g) * 16);
    }
#pragma unroll
    for (uint32_t b = 0; b < 2; ++b) {
      const uint4 of = odd ? v[1 - b] : v[b];
      w[b].a[r][0] = of.x;
      w[b].a[r][1] = of.y;
      w[b].a[r][2] = of.z;
      w[b].a[r][3] = of.w;
    }
  }
}

// The sums of a warpgroup's 64 rows; in_block: the warp's tile.
template <FormatId kFormat, typename G>
__device__ __forceinline__ void MultiplyMany(float (&total)[G::kN / 2], const ManyBlock& b,
                                             uint32_t strips, uint32_t in_block, uint32_t lane) {
  using F = Fragments<kFormat>;
  RingPlace<G::kWStages> weights_at;
  RingPlace<G::kXStages> x_at;
  uint32_t release = 0;  // the barrier of the stage of activations that the tensor cores read last
  const auto arrive = [&](uint32_t barrier) {
    __syncwarp();
    if (lane == 0) BarrierArrive(barrier);
  };
  float acc[G::kN / 2];
  for (uint32_t segment = 0; segment < kSegments; ++segment) {
#pragma unroll
    for (float& v : acc) v = 0;
    const uint32_t end = SegmentBegin<kFormat>(segment + 1, strips);
    for (uint32_t s = SegmentBegin<kFormat>(segment, strips); s < end; s += G::kChunk) {
      BarrierWait(b.weights_full + 8 * weights_at.slot, weights_at.parity);
      const uint32_t tile =
          b.weights + weights_at.slot * G::kWeightStage + in_block * G::kTileBytes;
      const uint32_t count = min(G::kChunk, end - s);
#pragma unroll
      for (uint32_t i = 0; i < G::kChunk; ++i) {
        if (i >= count) break;
        BlockWeights w[2];
        typename F::Raw raw;
        if constexpr (G::kHalves) {
          ReadHalves(tile + i * 2048, lane, w);
        } else {
          raw = F::ReadChunk(tile, i, lane);
        }
        BarrierWait(b.x_full + 8 * x_at.slot, x_at.parity);
        const uint32_t x_low = Swizzled128Low(b.x + x_at.slot * G::kXStage);
#pragma unroll
        for (uint32_t h = 0; h < 2; ++h) {
          if constexpr (!G::kHalves) w[h] = F::Dequant(raw, h, lane);
          WgmmaFence(acc);
          WgmmaBegin();
#pragma unroll
          for (uint32_t k = 0; k < 2; ++k) {
            const BlockWeights& v = w[h];
            const uint32_t a[4] = {v.a[0][2 * k], v.a[1][2 * k], v.a[0][2 * k + 1],
                                   v.a[1][2 * k + 1]};
            Wgmma<G::kN>::Registers(acc, a, Swizzled128Of(x_low + 4 * h + 2 * k), 1);
          }
          WgmmaCommit();
          WgmmaWait<1>();
          if (h == 0 && release != 0) arrive(release);
        }
        release = b.x_empty + 8 * x_at.slot;
        x_at.Next();
      }
      arrive(b.weights_empty + 8 * weights_at.slot);
      weights_at.Next();
    }
    WgmmaWait<0>();
    WgmmaFence(acc);
#pragma unroll
    for (uint32_t j = 0; j < G::kN / 2; ++j) total[j] = segment == 0 ? acc[j] : total[j] + acc[j];
  }
}

#endif  // WRING_WGMMA

// blockIdx: kN columns, 64 kGroups rows. gated: parts 0 and 1 are gate and up, whose tiles take turns.
template <FormatId kFormat, int kN, int kGroups>
__global__ void __launch_bounds__(ManyGemm<kFormat, kN, kGroups>::kThreads,
                                  ManyGemm<kFormat, kN, kGroups>::kBlocks)
    ManyGemmKernel(const __grid_constant__ LinearArgs args,
                   const __grid_constant__ NarrowMaps<kFormat> maps, const uint4* x,
                   const GatedOut gated, uint32_t all_tiles) {
#ifdef WRING_WGMMA
  using G = ManyGemm<kFormat, kN, kGroups>;
  extern __shared__ uint8_t many_shared[];
  __shared__ uint64_t barriers[2 * (G::kXStages + G::kWStages)];
  LetNextStart();
  const uint32_t warp = __shfl_sync(0xffffffffU, threadIdx.x / 32, 0);
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t strips = args.part[0].w.strips;
  ManyBlock b;
  b.x = (SharedAddress(many_shared) + 1023) / 1024 * 1024;
  b.weights = b.x + G::kXStages * G::kXStage;
  b.x_full = SharedAddress(barriers);
  b.x_empty = b.x_full + 8 * G::kXStages;
  b.weights_full = b.x_empty + 8 * G::kXStages;
  b.weights_empty = b.weights_full + 8 * G::kWStages;
  b.first_tile = blockIdx.y * G::kTiles;
  b.all_tiles = all_tiles;
  if (threadIdx.x == 0) {
    for (uint32_t i = 0; i < G::kXStages; ++i) {
      BarrierInit(b.x_full + 8 * i, 1);
      BarrierInit(b.x_empty + 8 * i, G::kConsumers / 32);
    }
    for (uint32_t i = 0; i < G::kWStages; ++i) {
      BarrierInit(b.weights_full + 8 * i, 1);
      BarrierInit(b.weights_empty + 8 * i, G::kConsumers / 32);
    }
    PublishShared();
  }
  __syncthreads();
  if (warp >= G::kConsumers / 32) {
    if constexpr (kN > 64) FewerRegisters<40>();
    if (warp == G::kConsumers / 32)
      FeedWeights<kFormat, G>(args, maps, gated.out != nullptr, b, lane);
    if (warp == G::kConsumers / 32 + 1) {
      WaitForPrevious();
      if (lane == 0) FeedActivations<G>(x + uint64_t{blockIdx.x} * strips * kN * 8, strips, b);
    }
    return;
  }

  if constexpr (kN > 64) MoreRegisters<232>();
  WaitForPrevious();
  float total[kN / 2];
  MultiplyMany<kFormat, G>(total, b, strips, warp, lane);
  SyncThreads(1, G::kConsumers);  // nobody reads weights any more: sums take their place
#pragma unroll
  for (uint32_t j = 0; j < kN / 2; ++j) {
    const uint32_t row = warp * 16 + lane / 4 + 8 * (j / 2 % 2);
    const uint32_t col = 8 * (j / 4) + 2 * (lane % 4) + j % 2;
    StoreSum(b.x + 4 * (col * G::kPitch + row), total[j]);
  }
  StoreNarrow<G>(args, gated, {b.x, b.first_tile, all_tiles, 1, 0, blockIdx.x * kN});
#endif
}

}  // namespace wring::cuda
