// The product of more than kNarrowRows rows on Hopper's warpgroup products, for matrices too small for gemm_many.cuh: a
// block computes 128 rows of matrices x kN of activations. A warp dequantises its 16 rows straight into the registers that
// the tensor cores read, from a ring of its own; activations stand in shared memory, their columns in the order of the
// fragments.
//
// Not of the invariant grade: sums are cut where blocks enough to fill the GPU want it (each cut is summed in order).
#pragma once

#include "kernels/cuda/gemv.cuh"
#include "kernels/cuda/wgmma.cuh"

namespace wring::cuda {

template <FormatId kFormat>
struct WideGemm {
  static constexpr int kN = 128;
  static constexpr uint32_t kXBytes = kN * 128;  // a strip
  static constexpr uint32_t kRing = Ahead<kFormat, 1>::kBytes;
  static constexpr uint32_t kShared = 1024 + 2 * kXBytes + kRing;
  static constexpr uint32_t kPieces = kN * 8 / kThreads;  // of a thread and strip
};

#ifdef WRING_WGMMA
// Sixteen bytes of a row, columns 8 t .. 8 t + 7 of a block of 32, are four words of its two products of 16.
__device__ __forceinline__ void StoreFragmentOrder(uint32_t row_at, uint32_t row, uint32_t piece,
                                                   uint4 x) {
  const uint32_t block = piece / 4;
  const uint32_t t = piece % 4;
  const uint32_t words[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
  for (uint32_t j = 0; j < 4; ++j) {
    const uint32_t to = 4 * block + j;  // 16-byte piece: product j / 2, its first or second half
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(row_at + ((to ^ (row % 8)) * 16) + 4 * t),
                 "r"(words[j])
                 : "memory");
  }
}
#endif

// Split blockIdx.z of gridDim.z, to the workspace [split][row of x][row of all parts] when there are several.
template <FormatId kFormat>
__global__ void __launch_bounds__(kThreads, 1)
    GemmWideKernel(const __grid_constant__ LinearArgs args, float* workspace, uint32_t all_rows) {
#ifdef WRING_WGMMA
  using F = Fragments<kFormat>;
  using A = Ahead<kFormat, 1>;
  using W = WideGemm<kFormat>;
  constexpr int kN = W::kN;
  constexpr uint32_t kChunk = F::kChunkStrips;
  extern __shared__ uint8_t wide_shared[];
  LetNextStart();
  const uint32_t warp = threadIdx.x / 32;
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t first = blockIdx.x * kN;
  const uint32_t global_tile = blockIdx.y * kWarps + warp;
  const bool active = global_tile * 16 < all_rows;
  uint32_t tile = active ? global_tile : 0;
  const LinearArgs::Part& part = PartOf(args, &tile);
  const uint8_t* data = TileOf(part.w, tile);
  const uint32_t strips = part.w.strips;
  const uint32_t chunks = (strips + kChunk - 1) / kChunk;
  const uint32_t begin = blockIdx.z * chunks / gridDim.z * kChunk;
  const uint32_t end = min(strips, (blockIdx.z + 1) * chunks / gridDim.z * kChunk);

  uint8_t* aligned = wide_shared + (1024 - SharedAddress(wide_shared) % 1024) % 1024;
  const uint32_t x_at = SharedAddress(aligned);
  uint8_t* ring = aligned + 2 * W::kXBytes + warp * (A::kSlots * A::kSlotBytes);
  uint32_t ahead = begin;
  const auto fill = [&](uint32_t slot) {
    if (ahead < end) {
      F::FillChunk(ring + slot * A::kSlotBytes, data, ahead, min(kChunk, end - ahead), lane,
                   strips);
      ahead += kChunk;
    }
    CommitCopies();
  };
#pragma unroll
  for (uint32_t i = 0; i < A::kSlots; ++i) fill(i);
  WaitForPrevious();

  uint4 x[W::kPieces];
  const auto load = [&](uint32_t strip) {
#pragma unroll
    for (uint32_t i = 0; i < W::kPieces; ++i) {
      const uint32_t n = first + (threadIdx.x + i * kThreads) / 8;
      x[i] = {0, 0, 0, 0};
      if (n < args.rows && strip < end) {
        x[i] = *reinterpret_cast<const uint4*>(args.x + uint64_t{n} * args.ldx + strip * kStrip +
                                               8 * (threadIdx.x % 8));
      }
    }
  };
  const auto store = [&](uint32_t buffer) {
#pragma unroll
    for (uint32_t i = 0; i < W::kPieces; ++i) {
      const uint32_t n = (threadIdx.x + i * kThreads) / 8;
      StoreFragmentOrder(x_at + buffer * W::kXBytes + n * 128, n, threadIdx.x % 8, x[i]);
    }
    PublishShared();
  };
  load(begin);
  store(0);
  load(begin + 1);

  float acc[kN / 2] = {};
  uint32_t slot = 0;
  uint32_t buffer = 0;
  for (uint32_t s = begin; s < end; s += kChunk) {
    WaitCopies<A::kSlots - 1>();
    __syncwarp();
    const uint32_t chunk = SharedAddress(ring + slot * A::kSlotBytes);
#pragma unroll
    for (uint32_t i = 0; i < kChunk; ++i) {
      if (FragmentPartsOf(kFormat).strips == 1 && s + i >= end) break;
      const typename F::Raw raw = F::ReadChunk(chunk, i, lane);
      BlockWeights w[2];
#pragma unroll
      for (uint32_t b = 0; b < 2; ++b) w[b] = F::Dequant(raw, b, lane);
      __syncthreads();  // the strip's activations are there
      WgmmaFence(acc);
      WgmmaBegin();
#pragma unroll
      for (uint32_t k = 0; k < 4; ++k) {
        const uint32_t p = k % 2 * 2;
        const uint32_t a[4] = {w[k / 2].a[0][p], w[k / 2].a[1][p], w[k / 2].a[0][p + 1],
                               w[k / 2].a[1][p + 1]};
        Wgmma<kN>::Registers(acc, a, Swizzled128(x_at + buffer * W::kXBytes + k * 32), 1);
      }
      WgmmaCommit();
      buffer ^= 1;
      store(buffer);
      load(s + i + 2);
      WgmmaWait<0>();
      WgmmaFence(acc);
    }
    __syncwarp();
    fill(slot);
    slot = slot + 1 == A::kSlots ? 0 : slot + 1;
  }
  if (!active) return;
#pragma unroll
  for (uint32_t j = 0; j < kN / 2; ++j) {
    const uint32_t row = lane / 4 + 8 * (j / 2 % 2);
    const uint32_t col = first + 8 * (j / 4) + 2 * (lane % 4) + j % 2;
    if (gridDim.z == 1) {
      StoreOutput(args, part, tile * 16 + row, col, acc[j]);
    } else if (col < args.rows) {
      workspace[(uint64_t{blockIdx.z} * args.rows + col) * all_rows + global_tile * 16 + row] =
          acc[j];
    }
  }
#endif
}

}  // namespace wring::cuda
