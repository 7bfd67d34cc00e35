// The end of a narrow product (gemm_narrow.cuh): the sums of a block, [warpgroup that shares strips][column][row] in shared
// memory, as outputs.
#pragma once

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/gemv.cuh"
#include "kernels/cuda/row_blocks.cuh"
#include "kernels/cuda/sent.cuh"

namespace wring::cuda {

#ifdef WRING_WGMMA

__device__ __forceinline__ void StoreSum(uint32_t address, float v) {
  asm volatile("st.shared.f32 [%0], %1;" ::"r"(address), "f"(v) : "memory");
}
__device__ __forceinline__ void StoreSums4(uint32_t address, const float4& v) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(v.x), "f"(v.y),
               "f"(v.z), "f"(v.w)
               : "memory");
}
__device__ __forceinline__ float LoadSum(uint32_t address) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(address) : "memory");
  return v;
}
__device__ __forceinline__ float4 LoadSums4(uint32_t address) {
  float4 v;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address)
               : "memory");
  return v;
}
__device__ __forceinline__ float4 Plus(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

// The first of four outputs, on top of what is there or not.
static __device__ __noinline__ void StoreSome(float* to, uint32_t count, bool add, float4 v) {
  const float of[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (uint32_t i = 0; i < 4; ++i) {
    if (i < count) to[i] = add ? to[i] + of[i] : of[i];
  }
}

struct NarrowSums {
  uint32_t at;  // shared address
  RowBlock rows;
  uint32_t splits, rank;  // blocks of the cluster, and which this is
};

// Four rows of a matrix and what becomes of their sums. What it takes of the arguments is read once: stores to shared memory
// between would have it read again.
struct NarrowRows {
  float* out = nullptr;  // of the first row; column c: c * ld further
  uint32_t ld = 0;
  uint32_t count = 0;  // that there are
  bool whole = false;  // there are four, and 16 bytes are stored at once
  float alpha = 0;
  float4 bias = {0, 0, 0, 0};

  __device__ __forceinline__ void Read(const LinearArgs::Part& part, uint32_t row) {
    out = part.out + row;
    ld = part.ld;
    count = row < part.w.rows ? part.w.rows - row : 0;
    whole = count >= 4 && (reinterpret_cast<uintptr_t>(out) | 4 * ld) % 16 == 0;
    alpha = part.w.alpha;
    if (part.bias == nullptr) return;
    const float* from = part.bias + row;
    if (count > 0) bias.x = from[0];
    if (count > 1) bias.y = from[1];
    if (count > 2) bias.z = from[2];
    if (count > 3) bias.w = from[3];
  }
  __device__ __forceinline__ float4 Of(const float4& sum) const {
    return {__fmaf_rn(sum.x, alpha, bias.x), __fmaf_rn(sum.y, alpha, bias.y),
            __fmaf_rn(sum.z, alpha, bias.z), __fmaf_rn(sum.w, alpha, bias.w)};
  }
  __device__ __forceinline__ float4 Old(uint32_t col) const {
    return *reinterpret_cast<const float4*>(out + uint64_t{col} * ld);
  }
  __device__ __forceinline__ void Store(uint32_t col, const float4& v) const {
    *reinterpret_cast<float4*>(out + uint64_t{col} * ld) = v;
  }
};

// The sums of four rows at `from`, of columns `col` + i * kStep below `to`: all parts are asked for before the first is there.
template <typename G, bool kCluster, uint32_t kStep, uint32_t kAtOnce>
__device__ __forceinline__ void TotalOf(const NarrowSums& s, uint32_t from, uint32_t col,
                                        uint32_t to, float4 (&sum)[kAtOnce]) {
  constexpr uint32_t kParts = kCluster ? kMostSplits : G::kSplit;
  float4 v[kParts][kAtOnce];
#pragma unroll
  for (uint32_t r = 0; r < kParts; ++r) {
    if (kCluster && r >= s.splits) break;
    const uint32_t there = kCluster ? AddressOf(r, from) : from + 4 * r * G::kSums;
#pragma unroll
    for (uint32_t i = 0; i < kAtOnce; ++i) {
      if (col + i * kStep >= to) continue;
      const uint32_t step = 4 * i * kStep * G::kPitch;
      v[r][i] = !kCluster || r == s.rank ? LoadSums4((kCluster ? from : there) + step)
                                         : LoadThere4(there + step);
    }
  }
#pragma unroll
  for (uint32_t i = 0; i < kAtOnce; ++i) {
    sum[i] = v[0][i];
#pragma unroll
    for (uint32_t r = 1; r < kParts; ++r) {
      if (!kCluster || r < s.splits) sum[i] = Plus(sum[i], v[r][i]);
    }
  }
}

// The sums of a block, or the columns of them that are this block's in its cluster, as outputs, once all are there. A thread
// has four rows, of one part, and every kStep-th column.
template <typename G, bool kCluster, bool kGated>
__device__ __forceinline__ void StoreSums(const LinearArgs& args, const GatedOut& gated,
                                          const SendArgs& send, const NarrowSums& s) {
  constexpr uint32_t kQuads = G::kRows / (kGated ? 8 : 4);
  constexpr uint32_t kStep = G::kConsumers / kQuads;
  constexpr uint32_t kMost = kCluster ? 2 : 4;  // as registers allow
  constexpr uint32_t kAtOnce = G::kN / kStep < 1       ? 1
                               : G::kN / kStep < kMost ? G::kN / kStep
                                                       : kMost;
  const uint32_t quad = threadIdx.x % kQuads * 4;
  const uint32_t of_part = kGated ? s.rows.tiles / 2 : s.rows.tiles;
  const uint32_t row = s.rows.first * 16 + quad;
  NarrowRows rows;
  NarrowRows ups;
  if (quad < of_part * 16) {
    rows.Read(args.part[s.rows.part], row);
    if constexpr (kGated) ups.Read(args.part[1], row);
  }
  const bool sends = !kGated && send.ranks > 0;
  const bool add = !kGated && args.add && !sends;
  const uint32_t at = s.at + 4 * quad;
  const uint32_t to =
      rows.count == 0 ? 0 : min(args.rows, kCluster ? G::kN * (s.rank + 1) / s.splits : G::kN);
  uint32_t col = (kCluster ? G::kN * s.rank / s.splits : 0) + threadIdx.x / kQuads;
  float4 old[kAtOnce];
  const auto read_old = [&] {
#pragma unroll
    for (uint32_t i = 0; i < kAtOnce; ++i) {
      if (add && rows.whole && col + i * kStep < to) old[i] = rows.Old(col + i * kStep);
    }
  };
  read_old();
  if constexpr (kCluster) {
    ClusterSync();
  } else {
    SyncThreads(1, G::kConsumers);
  }
#pragma unroll 1
  for (; col < to; col += kAtOnce * kStep, read_old()) {
    float4 sum[kAtOnce];
    float4 up[kAtOnce];
    const uint32_t from = at + 4 * col * G::kPitch;
    TotalOf<G, kCluster, kStep>(s, from, col, to, sum);
    if constexpr (kGated) TotalOf<G, kCluster, kStep>(s, from + 4 * 16 * of_part, col, to, up);
#pragma unroll
    for (uint32_t i = 0; i < kAtOnce; ++i) {
      const uint32_t c = col + i * kStep;
      if (c >= to) continue;
      float4 v = rows.Of(sum[i]);
      if constexpr (kGated) {
        const float4 u = ups.Of(up[i]);
        v = {GateOf(gated.gate, v.x) * u.x, GateOf(gated.gate, v.y) * u.y,
             GateOf(gated.gate, v.z) * u.z, GateOf(gated.gate, v.w) * u.w};
        // Columns of activations are padded to whole strips.
        *reinterpret_cast<uint2*>(gated.out + uint64_t{c} * gated.ld + row) = Halves4(v);
      } else if (sends) {
        const uint64_t pair = (uint64_t{c} * rows.ld + row) / 2;
        const uint2 halves = Halves4(v);
        for (uint32_t r = 0; r < send.ranks; ++r)
          StoreSent(reinterpret_cast<uint2*>(send.to[r] + pair), halves);
      } else if (rows.whole) {
        rows.Store(c, add ? Plus(old[i], v) : v);
      } else {
        StoreSome(rows.out + uint64_t{c} * rows.ld, rows.count, add, v);
      }
    }
  }
}

// By the block's kConsumers threads; a cluster's last warp joins its two meetings.
template <typename G>
__device__ __forceinline__ void StoreNarrow(const LinearArgs& args, const GatedOut& gated,
                                            const SendArgs& send, const NarrowSums& s) {
  if (s.splits == 1) {
    if (gated.out == nullptr) {
      StoreSums<G, false, false>(args, gated, send, s);
    } else {
      StoreSums<G, false, true>(args, gated, send, s);
    }
    return;
  }
  if constexpr (G::kSplit > 1) {  // what the others read is one sum
    SyncThreads(1, G::kConsumers);
    for (uint32_t i = threadIdx.x; i < G::kSums / 4; i += G::kConsumers) {
      const uint32_t at = s.at + 16 * i;
      float4 sum = LoadSums4(at);
#pragma unroll
      for (uint32_t k = 1; k < G::kSplit; ++k) sum = Plus(sum, LoadSums4(at + 4 * k * G::kSums));
      StoreSums4(at, sum);
    }
  }
  if (gated.out == nullptr) {
    StoreSums<G, true, false>(args, gated, send, s);
  } else {
    StoreSums<G, true, true>(args, gated, send, s);
  }
  ClusterPart();  // others may still read here
}

#endif  // WRING_WGMMA

}  // namespace wring::cuda
