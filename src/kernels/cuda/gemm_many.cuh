// The product of more than kGemvRows rows on Hopper in the invariant grade: segments of the columns are summed in order and
// added in order, as GEMV does (kernels.h). The tensor cores give a warpgroup's product of 16 columns the bits of a warp's,
// whatever the order within the 16 (measured; tests compare the kernels), so only which 16 go together must be the same.
//
// A block computes tiles of 64 kGroups rows of matrices x kN of activations, one after another. One warp asks the copy engine
// for weights, another for activations, which are arranged beforehand (ArrangeKernel), both as far ahead as there is room, over
// the end of a tile; each warpgroup makes float16 of the weights of its 64 rows in the registers that the tensor cores read,
// float16 weights too: lanes must hold the columns that GEMV's hold. What enters a multiprocessor was the limit (31 to 33
// bytes a cycle, with float16 weights in boxes of 16 rows; not measured since they come in boxes of all rows), so tiles are as
// large as registers hold their sums twice, of a segment and of all before it.
#pragma once

#include <type_traits>

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
  // Sums of gate and up that the warp beside gets.
  static constexpr uint32_t kUpBytes = kTiles * (kN / 4) * 128;
  // Of shared memory: what blocks may have, less what is aligned away and barriers.
  static constexpr uint32_t kMost = (226 << 10) / kBlocks - 1024 - 512 - kUpBytes;
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
  static constexpr uint32_t kShared = 1024 + Bytes(kXStages) + kUpBytes;
  static_assert(Bytes(kXStages) <= kMost && kXStage % 1024 == 0);
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
  uint32_t x, weights, up;  // shared addresses: rings, and of sums of gate and up
  uint32_t x_full, x_empty, weights_full, weights_empty;  // barriers of their stages
  uint32_t row_blocks, col_blocks;

  // each(which of RowBlocks(), its kN activations) of this block's: blocks that run together share activations, and weights.
  template <typename Each>
  __device__ __forceinline__ void ForTiles(Each each) const {
    for (uint32_t i = blockIdx.x; i < row_blocks * col_blocks; i += gridDim.x)
      each(i / col_blocks, i % col_blocks);
  }
};

// A warp asks for the weights, chunks of strips that end with their segment.
template <FormatId kFormat, typename G, typename Maps>
__device__ __forceinline__ void FeedWeights(const LinearArgs& args, const Maps& maps, bool gated,
                                            const ManyBlock& b, uint32_t lane) {
  const uint32_t strips = args.part[0].w.strips;
  RingPlace<G::kWStages> at;
  b.ForTiles([&](uint32_t row_block, uint32_t /*col_block*/) {
    const RowBlock rows = RowBlockOf(args, gated, G::kTiles, row_block);
    const uint8_t* tile_at = TileAt(args, rows, lane);
    for (uint32_t segment = 0; segment < kSegments; ++segment) {
      const uint32_t end = SegmentBegin<kFormat>(segment + 1, strips);
      for (uint32_t s = SegmentBegin<kFormat>(segment, strips); s < end;
           s += G::kChunk, at.Next()) {
        BarrierWait(b.weights_empty + 8 * at.slot, at.parity ^ 1);
        const uint32_t count = min(G::kChunk, end - s);
        const uint32_t barrier = b.weights_full + 8 * at.slot;
        if (lane == 0)
          BarrierArriveExpecting(barrier, G::kTiles * (G::kTileBytes / G::kChunk) * count);
        __syncwarp();
        CopyWeights<G, G::kTiles * 2048>(maps, rows, tile_at, s, count,
                                         b.weights + at.slot * G::kWeightStage, barrier, lane);
      }
    }
  });
}

// A thread asks for the activations.
template <typename G>
__device__ __forceinline__ void FeedActivations(const uint4* x, uint32_t strips,
                                                const ManyBlock& b) {
  RingPlace<G::kXStages> at;
  b.ForTiles([&](uint32_t /*row_block*/, uint32_t col_block) {
    const uint4* from = x + uint64_t{col_block} * strips * G::kN * 8;
    for (uint32_t s = 0; s < strips; ++s, at.Next()) {
      BarrierWait(b.x_empty + 8 * at.slot, at.parity ^ 1);
      const uint32_t barrier = b.x_full + 8 * at.slot;
      BarrierArriveExpecting(barrier, G::kXStage);
      CopyBulk(b.x + at.slot * G::kXStage, from + s * G::kN * 8, G::kXStage, barrier);
    }
  });
}

// A strip of float16 weights of a tile in shared memory as Swizzled128 says, for a lane. Lanes of odd rows read the second
// block first: the rows of a request would be in the same banks.
struct RawHalves {
  uint4 v[2][2];  // [row][first or second read]
};
__device__ __forceinline__ RawHalves ReadHalves(uint32_t tile, uint32_t lane) {
  const uint32_t g = lane / 4;
  RawHalves raw;
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t piece = 4 * (i % 2 ^ (g & 1)) + lane % 4;
    raw.v[i / 2][i % 2] = LoadShared(tile + (g + 8 * (i / 2)) * 128 + (piece ^ g) * 16);
  }
  return raw;
}
// What Fragments<kF16> would give of block b.
__device__ __forceinline__ BlockWeights BlockOf(const RawHalves& raw, uint32_t b, uint32_t lane) {
  const bool odd = lane / 4 % 2 != 0;
  BlockWeights w;
#pragma unroll
  for (uint32_t r = 0; r < 2; ++r) {
    const uint4 of = odd ? raw.v[r][1 - b] : raw.v[r][b];
    w.a[r][0] = of.x;
    w.a[r][1] = of.y;
    w.a[r][2] = of.z;
    w.a[r][3] = of.w;
  }
  return w;
}

// The sums of a warpgroup's 64 rows; in_block: the warp's tile. While the tensor cores have a strip, the next one is read;
// while its float16 is made, they have another warpgroup's.
template <FormatId kFormat, typename G>
__device__ __forceinline__ void MultiplyMany(float (&total)[G::kN / 2], const ManyBlock& b,
                                             RingPlace<G::kWStages>& weights_at,
                                             RingPlace<G::kXStages>& x_at, uint32_t strips,
                                             uint32_t in_block, uint32_t lane) {
  using F = Fragments<kFormat>;
  uint32_t release = 0;  // the barrier of the activations that the tensor cores have
  const auto finish = [&] {
    WgmmaWait<0>();
    if (release == 0) return;
    if (lane == 0) BarrierArrive(release);
    release = 0;
  };
  float acc[G::kN / 2];
  for (uint32_t segment = 0; segment < kSegments; ++segment) {
    const uint32_t end = SegmentBegin<kFormat>(segment + 1, strips);
#pragma unroll
    for (float& v : acc) v = 0;
#pragma unroll 1
    for (uint32_t s = SegmentBegin<kFormat>(segment, strips); s < end;
         s += G::kChunk, weights_at.Next()) {
      BarrierWait(b.weights_full + 8 * weights_at.slot, weights_at.parity);
      const uint32_t tile =
          b.weights + weights_at.slot * G::kWeightStage + in_block * G::kTileBytes;
#pragma unroll
      for (uint32_t i = 0; i < G::kChunk; ++i) {
        if (s + i >= end) break;
        std::conditional_t<G::kHalves, RawHalves, typename F::Raw> raw;
        if constexpr (G::kHalves) {
          raw = ReadHalves(tile, lane);
        } else {
          raw = F::ReadChunk(tile, i, lane);
        }
        BarrierWait(b.x_full + 8 * x_at.slot, x_at.parity);
        finish();
        BlockWeights w[2];
#pragma unroll
        for (uint32_t h = 0; h < 2; ++h) {
          if constexpr (G::kHalves) {
            w[h] = BlockOf(raw, h, lane);
          } else {
            w[h] = F::Dequant(raw, h, lane);
          }
        }
        const uint32_t x_low = Swizzled128Low(b.x + x_at.slot * G::kXStage);
        WgmmaFence(acc);
        WgmmaBegin();
#pragma unroll
        for (uint32_t k = 0; k < 4; ++k) {
          const uint32_t p = k % 2 * 2;
          const BlockWeights& v = w[k / 2];
          const uint32_t a[4] = {v.a[0][p], v.a[1][p], v.a[0][p + 1], v.a[1][p + 1]};
          Wgmma<G::kN>::Registers(acc, a, Swizzled128Of(x_low + 2 * k), 1);
        }
        WgmmaCommit();
        // Not before what was read is used: a read may still be on its way when an arrival after it is seen.
        __syncwarp();
        if (lane == 0 && (i == G::kChunk - 1 || s + i + 1 == end))
          BarrierArrive(b.weights_empty + 8 * weights_at.slot);
        release = b.x_empty + 8 * x_at.slot;
        x_at.Next();
      }
    }
    finish();
    WgmmaFence(acc);
#pragma unroll
    for (uint32_t j = 0; j < G::kN / 2; ++j) total[j] = segment == 0 ? acc[j] : total[j] + acc[j];
  }
}

// What a lane's outputs have in common: of rows r and r + 8 of a matrix. Biased() in one instruction: adding minus zero
// changes nothing.
struct ManyOut {
  bool has[2];
  float alpha, bias[2];
  __device__ __forceinline__ ManyOut(const LinearArgs::Part& part, uint32_t r) {
    alpha = part.w.alpha;
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      has[i] = r + 8 * i < part.w.rows;
      bias[i] = part.bias != nullptr && has[i] ? part.bias[r + 8 * i] : -0.F;
    }
  }
  __device__ __forceinline__ float Of(uint32_t i, float sum) const {
    return __fmaf_rn(sum, alpha, bias[i]);
  }
};

// The sums of a warp's tile as outputs: total[4 q + 2 i + e] is of row r + 8 i, column 8 q + 2 t + e (Wgmma<>).
template <typename G, bool kAdd>
__device__ __forceinline__ void StoreMany(const LinearArgs& args, const float (&total)[G::kN / 2],
                                          const LinearArgs::Part& part, uint32_t tile,
                                          uint32_t first_col, uint32_t lane) {
  const uint32_t r = tile * 16 + lane / 4;
  const ManyOut of(part, r);
  const uint64_t ld = part.ld;
  const uint32_t col = first_col + 2 * (lane % 4);
  float* out = part.out + col * ld + r;
  constexpr uint32_t kAtOnce = G::kN / 8;  // what is added to is asked for together
#pragma unroll
  for (uint32_t j0 = 0; j0 < G::kN / 2; j0 += kAtOnce, out += 2 * kAtOnce * ld) {
    float before[kAtOnce] = {};
    const auto each = [&](auto f) {
#pragma unroll
      for (uint32_t k = 0; k < kAtOnce; ++k) {
        const uint32_t i = k / 2 % 2;
        if (of.has[i] && col + 2 * j0 + 8 * (k / 4) + k % 2 < args.rows)
          f(k, i, out + (8 * (k / 4) + k % 2) * ld + 8 * i);
      }
    };
    if constexpr (kAdd) each([&](uint32_t k, uint32_t, const float* at) { before[k] = *at; });
    each([&](uint32_t k, uint32_t i, float* at) {
      const float v = of.Of(i, total[j0 + k]);
      *at = kAdd ? __fadd_rn(before[k], v) : v;
    });
  }
}

// The same of gate and up, which half of the warps each have: two share the columns, and each takes the other's sums of its own
// from shared memory.
template <typename G>
__device__ __forceinline__ void StoreGatedMany(const LinearArgs& args, const GatedOut& gated,
                                               const float (&total)[G::kN / 2], const ManyBlock& b,
                                               uint32_t tile, uint32_t first_col, uint32_t warp,
                                               uint32_t lane) {
  constexpr uint32_t kHalf = G::kN / 4;  // of the sums
  constexpr uint32_t kPairs = G::kTiles / 2;
  const bool is_up = warp >= kPairs;
  const uint32_t first_row = tile * 16;
  const ManyOut gate(args.part[0], first_row + lane / 4);
  const ManyOut up(args.part[1], first_row + lane / 4);
  const uint32_t there = b.up + (warp * kHalf * 32 + lane) * 4;
  const uint32_t here = b.up + ((is_up ? warp - kPairs : warp + kPairs) * kHalf * 32 + lane) * 4;
  const uint32_t barrier = 2 + warp % kPairs;
#pragma unroll
  for (uint32_t j = 0; j < kHalf; ++j)
    StoreSum(there + j * 128, is_up ? total[j] : total[kHalf + j]);
  SyncThreads(barrier, 64);
  // Of two lanes one stores rows g and g + 1, the other those 8 behind.
  const bool second = lane / 4 % 2 != 0;
  const uint32_t r = first_row + (lane / 8 * 2) + (second ? 8 : 0);
  const uint32_t col = first_col + (is_up ? 2 * kHalf : 0) + 2 * (lane % 4);
  auto* out = reinterpret_cast<__half*>(gated.out) + uint64_t{col} * gated.ld + r;
#pragma unroll
  for (uint32_t j = 0; j < kHalf; j += 4, out += 8 * uint64_t{gated.ld}) {
    float v[4];
#pragma unroll
    for (uint32_t k = 0; k < 4; ++k) {
      const float mine = is_up ? total[kHalf + j + k] : total[j + k];
      const float other = LoadSum(here + (j + k) * 128);
      v[k] = GateOf(gated.gate, gate.Of(k / 2, is_up ? other : mine)) *
             up.Of(k / 2, is_up ? mine : other);
    }
#pragma unroll
    for (uint32_t e = 0; e < 2; ++e) {
      const float got = __shfl_xor_sync(0xffffffffU, second ? v[e] : v[2 + e], 4);
      const __half2 both =
          __halves2half2(Saturated(second ? got : v[e]), Saturated(second ? v[2 + e] : got));
      if (col + 2 * j + e >= args.rows || r >= args.part[0].w.rows) continue;
      // Columns of activations are padded to whole strips, by zeros.
      *reinterpret_cast<__half2*>(out + e * uint64_t{gated.ld}) =
          r + 1 < args.part[0].w.rows ? both : __halves2half2(__low2half(both), __half(0.F));
    }
  }
  SyncThreads(barrier, 64);  // the sums have been read
}

#endif  // WRING_WGMMA

// gated: parts 0 and 1 are gate and up.
template <FormatId kFormat, int kN, int kGroups>
__global__ void __launch_bounds__(ManyGemm<kFormat, kN, kGroups>::kThreads,
                                  ManyGemm<kFormat, kN, kGroups>::kBlocks)
    ManyGemmKernel(const __grid_constant__ LinearArgs args,
                   const __grid_constant__ HalfMaps<kFormat> maps, const uint4* x,
                   const GatedOut gated, uint32_t row_blocks, uint32_t col_blocks) {
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
  b.up = b.weights + G::kWStages * G::kWeightStage;
  b.x_full = SharedAddress(barriers);
  b.x_empty = b.x_full + 8 * G::kXStages;
  b.weights_full = b.x_empty + 8 * G::kXStages;
  b.weights_empty = b.weights_full + 8 * G::kWStages;
  b.row_blocks = row_blocks;
  b.col_blocks = col_blocks;
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
      if (lane == 0) FeedActivations<G>(x, strips, b);
    }
    return;
  }

  if constexpr (kN > 64) MoreRegisters<232>();
  WaitForPrevious();
  RingPlace<G::kWStages> weights_at;
  RingPlace<G::kXStages> x_at;
  b.ForTiles([&](uint32_t row_block, uint32_t col_block) {
    float total[kN / 2];
    MultiplyMany<kFormat, G>(total, b, weights_at, x_at, strips, warp, lane);
    const RowBlock rows = RowBlockOf(args, gated.out != nullptr, G::kTiles, row_block);
    uint32_t tile = 0;
    const LinearArgs::Part& part = args.part[PartAt(rows, warp, &tile)];
    if (tile >= part.w.tiles) return;
    if (gated.out != nullptr) {
      StoreGatedMany<G>(args, gated, total, b, tile, col_block * kN, warp, lane);
    } else if (args.add) {
      StoreMany<G, true>(args, total, part, tile, col_block * kN, lane);
    } else {
      StoreMany<G, false>(args, total, part, tile, col_block * kN, lane);
    }
  });
#endif
}

}  // namespace wring::cuda
