// The end of a narrow product (gemm_narrow.cuh): the sums of a block, [warpgroup that shares strips][column][row] in shared
// memory, as outputs.
#pragma once

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/gemv.cuh"
#include "kernels/cuda/wgmma.cuh"

namespace wring::cuda {

#ifdef WRING_WGMMA

__device__ __forceinline__ void StoreSum(uint32_t address, float v) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(v) : "memory");
}
__device__ __forceinline__ float LoadSum(uint32_t address) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(address) : "memory");
  return v;
}
template <bool kCluster>
__device__ __forceinline__ float4 LoadSums(uint32_t address) {
  float4 v;
  if constexpr (kCluster) {
    v = LoadThere4(address);
  } else {
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                 : "r"(address)
                 : "memory");
  }
  return v;
}
__device__ __forceinline__ float4 Plus(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}
// The first `count` of four outputs, on top of what is there or not.
__device__ __forceinline__ void StoreQuad(float* out, uint32_t count, bool add, float4 v) {
  if (count >= 4 && reinterpret_cast<uintptr_t>(out) % 16 == 0) {
    float4* to = reinterpret_cast<float4*>(out);
    *to = add ? Plus(*to, v) : v;
    return;
  }
  const float of[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    if (i < count) out[i] = add ? out[i] + of[i] : of[i];
  }
}

struct NarrowSums {
  uint32_t at;          // shared address
  uint32_t first_tile;  // of the block
  uint32_t all_tiles;
  uint32_t splits, rank;  // blocks of the cluster, and which this is
};

// The sums of a block, or the columns of them that are this block's in its cluster, as outputs. A thread has four rows, of
// one part, and every kStep-th column.
template <typename G, bool kCluster, bool kGated>
__device__ __forceinline__ void StoreSums(const LinearArgs& args, const GatedOut& gated,
                                          const NarrowSums& s) {
  constexpr uint32_t kQuads = G::kRows / (kGated ? 8 : 4);
  constexpr uint32_t kStep = G::kConsumers / kQuads;
  constexpr uint32_t kAtOnce = G::kN / kStep < 1 ? 1 : G::kN / kStep < 4 ? G::kN / kStep : 4;
  const uint32_t quad = threadIdx.x % kQuads * 4;
  const uint32_t to = min(args.rows, kCluster ? G::kN * (s.rank + 1) / s.splits : G::kN);
  uint32_t tile = (kGated ? s.first_tile / 2 : s.first_tile) + quad / 16;
  if (tile >= (kGated ? s.all_tiles / 2 : s.all_tiles)) return;
  const LinearArgs::Part& part = kGated ? args.part[0] : PartOf(args, &tile);
  const uint32_t row = tile * 16 + quad % 16;
  if (row >= part.w.rows) return;
  const uint32_t at = s.at + 4 * (kGated ? quad / 16 * 32 + quad % 16 : quad);
  const auto total = [&](uint32_t offset, uint32_t col, float4(&sum)[kAtOnce]) {
#pragma unroll 1
    for (uint32_t r = 0; r < (kCluster ? s.splits : 1); ++r) {
      const uint32_t from = (kCluster ? AddressOf(r, at) : at) + 4 * (col * G::kPitch + offset);
#pragma unroll
      for (uint32_t k = 0; k < (kCluster ? 1 : G::kSplit); ++k) {
#pragma unroll
        for (uint32_t i = 0; i < kAtOnce; ++i) {
          if (col + i * kStep >= to) continue;
          const float4 v = LoadSums<kCluster>(from + 4 * (k * G::kSums + i * kStep * G::kPitch));
          sum[i] = r + k == 0 ? v : Plus(sum[i], v);
        }
      }
    }
  };
  const auto biased = [&](const LinearArgs::Part& of, const float4& v) {
    const auto one = [&](uint32_t i, float sum) {
      return row + i < of.w.rows ? Biased(of, row + i, sum) : 0.F;
    };
    return float4{one(0, v.x), one(1, v.y), one(2, v.z), one(3, v.w)};
  };
#pragma unroll 1
  for (uint32_t col = (kCluster ? G::kN * s.rank / s.splits : 0) + threadIdx.x / kQuads; col < to;
       col += kAtOnce * kStep) {
    float4 sum[kAtOnce];
    float4 up[kAtOnce];
    total(0, col, sum);
    if constexpr (kGated) total(16, col, up);
#pragma unroll
    for (uint32_t i = 0; i < kAtOnce; ++i) {
      const uint32_t c = col + i * kStep;
      if (c >= to) continue;
      float4 v = biased(part, sum[i]);
      if constexpr (kGated) {
        const float4 u = biased(args.part[1], up[i]);
        v = {GateOf(gated.gate, v.x) * u.x, GateOf(gated.gate, v.y) * u.y,
             GateOf(gated.gate, v.z) * u.z, GateOf(gated.gate, v.w) * u.w};
        // Columns of activations are padded to whole strips.
        *reinterpret_cast<uint2*>(gated.out + uint64_t{c} * gated.ld + row) = Halves4(v);
      } else {
        StoreQuad(part.out + uint64_t{c} * part.ld + row, part.w.rows - row, args.add, v);
      }
    }
  }
}

// By the block's kConsumers threads; a cluster's last warp joins its two meetings.
template <typename G>
__device__ __forceinline__ void StoreNarrow(const LinearArgs& args, const GatedOut& gated,
                                            const NarrowSums& s) {
  SyncThreads(1, G::kConsumers);
  if (s.splits == 1) {
    if (gated.out == nullptr) {
      StoreSums<G, false, false>(args, gated, s);
    } else {
      StoreSums<G, false, true>(args, gated, s);
    }
    return;
  }
  if constexpr (G::kSplit > 1) {  // what the others read is one sum
    for (uint32_t i = threadIdx.x; i < G::kSums; i += G::kConsumers) {
      const uint32_t at = s.at + 4 * i;
      float sum = LoadSum(at);
#pragma unroll
      for (uint32_t k = 1; k < G::kSplit; ++k) sum += LoadSum(at + 4 * k * G::kSums);
      StoreSum(at, sum);
    }
  }
  ClusterSync();
  StoreSums<G, true, false>(args, gated, s);
  ClusterSync();  // others may still read here
}

#endif  // WRING_WGMMA

}  // namespace wring::cuda
