#include "kernels/cuda/exchange.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rows.cuh"
#include "kernels/cuda/sent.cuh"

namespace wring::cuda {
namespace {

constexpr uint32_t kSmallThreads = 256;
constexpr uint32_t kSmallBlocks = 128;
constexpr uint32_t kLargeThreads = 512;

// Waits until `ready` or, when another rank never answers, for kExchangeSeconds.
template <typename Ready>
__device__ __forceinline__ void Await(uint32_t* failed, const Ready& ready) {
  const uint64_t start = Nanoseconds();
  for (uint32_t looks = 1; !ready(); ++looks) {
    if (looks % 1024 != 0) continue;
    if (*reinterpret_cast<volatile uint32_t*>(failed) != 0) return;  // one wait a step is enough
    if (Nanoseconds() - start > uint64_t{kExchangeSeconds} * 1000000000) {
      *reinterpret_cast<volatile uint32_t*>(failed) = 1;
      return;
    }
  }
}

__device__ __forceinline__ void StoreRelease(uint32_t* to, uint32_t v) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(to), "r"(v) : "memory");
}
__device__ __forceinline__ uint32_t LoadAcquire(const uint32_t* from) {
  uint32_t v;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(v) : "l"(from) : "memory");
  return v;
}

// Whether this is the last block of the turn; by one thread a block, after a fence.
__device__ __forceinline__ bool IsLastBlock(const PeersArg& p) {
  if (atomicAdd(p.turn + 1, 1U) + 1 != gridDim.x * gridDim.y) return false;
  p.turn[1] = 0;
  return true;
}

// By the last block: all that this rank sent is there; waits until all is that the others send.
__device__ __forceinline__ void FinishTurn(const PeersArg& p, uint32_t turn) {
  __threadfence_system();
  for (uint32_t r = 0; r < p.ranks; ++r) StoreRelease(p.flags[r] + kMaxPeers + p.rank, turn);
  for (uint32_t r = 0; r < p.ranks; ++r) {
    Await(p.failed, [&] {
      return static_cast<int32_t>(LoadAcquire(p.flags[p.rank] + kMaxPeers + r) - turn) >= 0;
    });
  }
  *p.turn = turn;
}

// In the memory of rank `of`: where the numbers of rank `from` are, or come.
__device__ __forceinline__ uint32_t* Inbox(const PeersArg& p, uint32_t odd, uint32_t of,
                                           uint32_t from) {
  return p.inbox[of] + InboxAt(odd, p.ranks, from, p.room);
}

__device__ __forceinline__ float4 Floats4(const uint4& v) {
  return {__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z), __uint_as_float(v.w)};
}

__device__ __forceinline__ float4 Floats4(const uint2& halves) {
  const float2 low = __half22float2(AsHalf2(halves.x));
  const float2 high = __half22float2(AsHalf2(halves.y));
  return {low.x, low.y, high.x, high.y};
}
__device__ __forceinline__ float4 Sum4(const float4& a, const float4& b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

__global__ void __launch_bounds__(kSmallThreads)
    SumSmallKernel(const __grid_constant__ PeersArg p, uint32_t odd, float* values,
                   uint64_t quads) {
  LetNextStart();
  WaitForPrevious();
  const uint64_t first = uint64_t{blockIdx.x} * kSmallThreads + threadIdx.x;
  const uint64_t stride = uint64_t{gridDim.x} * kSmallThreads;
  for (uint64_t i = first; i < quads; i += stride) {
    const uint4 v = reinterpret_cast<const uint4*>(values)[i];
    for (uint32_t r = 0; r < p.ranks; ++r) {
      if (r != p.rank) StoreSent(reinterpret_cast<uint4*>(Inbox(p, odd, r, p.rank)) + i, v);
    }
  }
  for (uint64_t i = first; i < quads; i += stride) {
    float4& mine = reinterpret_cast<float4*>(values)[i];
    float4 sum = {0, 0, 0, 0};
    for (uint32_t r = 0; r < p.ranks; ++r) {
      float4 v = mine;
      if (r != p.rank) {
        uint4* from = reinterpret_cast<uint4*>(Inbox(p, odd, p.rank, r)) + i;
        uint4 got;
        Await(p.failed, [&] { return IsSent(got = LoadSent(from)); });
        Unsend(from);
        v = Floats4(got);
      }
      sum = Sum4(sum, v);
    }
    mine = sum;
  }
}

// Adds what kRanks ranks from `first` on sent of a row, runs of 8 numbers, as soon as it has come.
template <bool kHalves, uint32_t kThreadCount, uint32_t kRuns, uint32_t kRanks>
__device__ __forceinline__ void AddSent(const PeersArg& p, const SumRowsArgs& a, uint32_t row,
                                        uint32_t first, float4 (&sums)[kRuns][2]) {
  constexpr uint32_t kWords = kHalves ? 1 : 2;  // of 16 bytes, a run
  const uint32_t runs = a.cols / 8;
  uint4* from[kRanks];
  uint4 got[kRanks][kRuns][kWords];
#pragma unroll
  for (uint32_t r = 0; r < kRanks; ++r) {
    from[r] = reinterpret_cast<uint4*>(Inbox(p, a.odd, p.rank, first + r)) +
              uint64_t{row} * a.ld / 8 * kWords;
  }
  const auto each = [&](const auto& work) {
#pragma unroll
    for (uint32_t k = 0; k < kRuns; ++k) {
      const uint32_t run = k * kThreadCount + threadIdx.x;
#pragma unroll
      for (uint32_t i = 0; i < kRanks * kWords; ++i) {
        const uint32_t r = i / kWords;
        const uint32_t w = i % kWords;
        if (run < runs) work(got[r][k][w], from[r] + run * kWords + w);
      }
    }
  };
  Await(p.failed, [&] {  // all are asked for before the first is there
    bool all = true;
    each([](uint4& v, const uint4* at) { v = LoadSent(at); });
    each([&](const uint4& v, const uint4*) { all &= IsSent(v); });
    return all;
  });
  each([](const uint4&, uint4* at) { Unsend(at); });
#pragma unroll
  for (uint32_t k = 0; k < kRuns; ++k) {
    if (k * kThreadCount + threadIdx.x >= runs) break;
#pragma unroll
    for (uint32_t r = 0; r < kRanks; ++r) {
      if constexpr (kHalves) {
        const uint4& v = got[r][k][0];
        sums[k][0] = Sum4(sums[k][0], Floats4(uint2{v.x, v.y}));
        sums[k][1] = Sum4(sums[k][1], Floats4(uint2{v.z, v.w}));
      } else {
        sums[k][0] = Sum4(sums[k][0], Floats4(got[r][k][0]));
        sums[k][1] = Sum4(sums[k][1], Floats4(got[r][k][1]));
      }
    }
  }
}

// A block a row, a thread every kThreadCount-th run of 8 columns. Those of many rows have so few threads and registers that the
// product behind finds room beside them, and reads its first weights.
template <bool kHalves, uint32_t kThreadCount, uint32_t kRuns>
__global__ void __launch_bounds__(kThreadCount, kHalves&& kThreadCount == 256 ? 5 : 1)
    SumRowsKernel(const __grid_constant__ PeersArg p, const __grid_constant__ SumRowsArgs a) {
  extern __shared__ float4 weights[];  // of the norm: a thread reads its own
  const uint32_t row = blockIdx.x;
  const uint32_t runs = a.cols / 8;
  const uint64_t at = uint64_t{row} * a.ld;
  const auto each = [&](const auto& work) {
#pragma unroll
    for (uint32_t k = 0; k < kRuns; ++k) {
      const uint32_t run = k * kThreadCount + threadIdx.x;
      if (run < runs) work(k, run);
    }
  };
  if (a.weight != nullptr) {
    each([&](uint32_t, uint32_t run) {
      weights[2 * run] = reinterpret_cast<const float4*>(a.weight)[2 * run];
      weights[2 * run + 1] = reinterpret_cast<const float4*>(a.weight)[2 * run + 1];
    });
  }
  if (threadIdx.x == 0) {
    uint32_t* begun = p.begun + a.odd * kNarrowRows + row;
    Await(p.failed, [&] { return LoadSent(begun) != kUnsent; });
    *begun = kUnsent;
    LetNextStart();
  }
  __syncthreads();
  auto* values = reinterpret_cast<float4*>(a.values + at);
  float4 sums[kRuns][2];
  each([&](uint32_t k, uint32_t run) {
    sums[k][0] = __ldcg(values + 2 * run);
    sums[k][1] = __ldcg(values + 2 * run + 1);
  });
  uint32_t first = 0;
  for (; first + 2 <= p.ranks; first += 2)
    AddSent<kHalves, kThreadCount, kRuns, 2>(p, a, row, first, sums);
  if (first < p.ranks) AddSent<kHalves, kThreadCount, kRuns, 1>(p, a, row, first, sums);
  float squares = 0;
  each([&](uint32_t k, uint32_t run) {
#pragma unroll
    for (uint32_t i = 0; i < 2; ++i) {
      const float4& v = sums[k][i];
      values[2 * run + i] = v;
      squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
  });
  if (a.weight != nullptr) {
    const float scale =
        rsqrtf(BlockSum<kThreadCount>(squares) / static_cast<float>(a.cols) + a.eps);
    each([&](uint32_t k, uint32_t run) {
      uint2 halves[2];
#pragma unroll
      for (uint32_t i = 0; i < 2; ++i) {
        const float4& v = sums[k][i];
        const float4 w = weights[2 * run + i];
        halves[i] =
            Halves4({v.x * scale * w.x, v.y * scale * w.y, v.z * scale * w.z, v.w * scale * w.w});
      }
      reinterpret_cast<uint4*>(a.normed + at)[run] = {halves[0].x, halves[0].y, halves[1].x,
                                                      halves[1].y};
    });
  }
  WaitForPrevious();  // what follows this launch follows the product too
}

template <bool kHalves, uint32_t kThreadCount, uint32_t kRuns>
void SumRowsBy(Launcher& l, const PeersArg& p, const SumRowsArgs& a) {
  // Set up as the products beside it are (AllowShared).
  AllowShared(l, reinterpret_cast<const void*>(SumRowsKernel<kHalves, kThreadCount, kRuns>),
              kThreadCount * kRuns * 8 * sizeof(float));
  Launch(l, SumRowsKernel<kHalves, kThreadCount, kRuns>, a.rows, kThreadCount,
         a.weight == nullptr ? 0 : a.cols * sizeof(float), p, a);
}

__global__ void __launch_bounds__(kLargeThreads)
    GatherKernel(const __grid_constant__ PeersArg p, const __grid_constant__ GatherArgs a) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t turn = *p.turn + 1;
  const uint64_t at = (blockIdx.y * a.ld + a.first) / 4;
  const auto* mine = reinterpret_cast<const float4*>(a.all[p.rank]) + at;
#pragma unroll 4
  for (uint32_t i = blockIdx.x * kLargeThreads + threadIdx.x; i < a.count / 4;
       i += gridDim.x * kLargeThreads) {
    const float4 v = mine[i];
    for (uint32_t r = 0; r < p.ranks; ++r) {
      if (r != p.rank) (reinterpret_cast<float4*>(a.all[r]) + at)[i] = v;
    }
  }
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x == 0 && IsLastBlock(p)) FinishTurn(p, turn);
}

__global__ void TellSentKernel(const __grid_constant__ PeersArg p, uint32_t sent) {
  const uint32_t r = threadIdx.x;
  if (r < p.ranks && r != p.rank) StoreRelease(p.flags[r] + 2 * kMaxPeers + p.rank, sent);
}

// Rows of this rank, a block each in turn.
__global__ void __launch_bounds__(kLargeThreads)
    SumNormKernel(const __grid_constant__ PeersArg p, const __grid_constant__ SumNormArgs a) {
  constexpr uint32_t kMost = kSumNormCols / 8 / kLargeThreads;  // runs of 8 columns a thread
  LetNextStart();
  WaitForPrevious();
  const uint32_t turn = *p.turn + 1;
  if (a.sent == 0 && blockIdx.x == 0 && threadIdx.x < p.ranks) {
    __threadfence_system();
    StoreRelease(p.flags[threadIdx.x] + p.rank, turn);
  }
  if (threadIdx.x < p.ranks && (a.sent == 0 || threadIdx.x != p.rank)) {
    const uint32_t* flag = p.flags[p.rank] + (a.sent == 0 ? 0 : 2 * kMaxPeers) + threadIdx.x;
    const uint32_t least = a.sent == 0 ? turn : a.sent;
    Await(p.failed, [&] { return static_cast<int32_t>(LoadAcquire(flag) - least) >= 0; });
  }
  __syncthreads();
  const uint32_t end = FirstOfShare(a.rows, p.rank + 1, p.ranks);
  const uint32_t runs = a.cols / 8;
  for (uint32_t row = FirstOfShare(a.rows, p.rank, p.ranks) + blockIdx.x; row < end;
       row += gridDim.x) {
    const uint64_t at = uint64_t{row} * a.ld;
    float v[kMost][8];
    float squares = 0;
#pragma unroll
    for (uint32_t k = 0; k < kMost; ++k) {
      const uint32_t c = k * kLargeThreads + threadIdx.x;
      if (c >= runs) break;
      auto* hidden = reinterpret_cast<float4*>(a.hidden[p.rank] + at) + 2 * c;
      const float4 low = hidden[0];
      const float4 high = hidden[1];
      float sum[8] = {};
      uint4 parts[kMaxPeers];
#pragma unroll
      for (uint32_t r = 0; r < kMaxPeers; ++r) {
        if (r < p.ranks && a.partial[r] != nullptr)
          parts[r] = __ldcg(reinterpret_cast<const uint4*>(a.partial[r] + at) + c);
      }
#pragma unroll
      for (uint32_t r = 0; r < kMaxPeers; ++r) {
        if (r >= p.ranks) break;
        if (a.partial[r] == nullptr) continue;
        const uint32_t words[4] = {parts[r].x, parts[r].y, parts[r].z, parts[r].w};
#pragma unroll
        for (uint32_t w = 0; w < 4; ++w) {
          const float2 two = __half22float2(AsHalf2(words[w]));
          sum[2 * w] += two.x;
          sum[2 * w + 1] += two.y;
        }
      }
      const float old[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
      for (uint32_t i = 0; i < 8; ++i) {
        v[k][i] = old[i] + sum[i];
        squares += v[k][i] * v[k][i];
      }
      for (uint32_t r = 0; r < p.ranks; ++r) {
        if (r != p.rank && a.weight != nullptr) continue;
        auto* to = reinterpret_cast<float4*>(a.hidden[r] + at) + 2 * c;
        to[0] = {v[k][0], v[k][1], v[k][2], v[k][3]};
        to[1] = {v[k][4], v[k][5], v[k][6], v[k][7]};
      }
    }
    if (a.weight == nullptr) continue;
    const float scale =
        rsqrtf(BlockSum<kLargeThreads>(squares) / static_cast<float>(a.cols) + a.eps);
#pragma unroll
    for (uint32_t k = 0; k < kMost; ++k) {
      const uint32_t c = k * kLargeThreads + threadIdx.x;
      if (c >= runs) break;
      const float4 low = reinterpret_cast<const float4*>(a.weight)[2 * c];
      const float4 high = reinterpret_cast<const float4*>(a.weight)[2 * c + 1];
      const float w[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      uint32_t words[4];
#pragma unroll
      for (uint32_t i = 0; i < 4; ++i) {
        words[i] = AsWord(__halves2half2(Saturated(v[k][2 * i] * scale * w[2 * i]),
                                         Saturated(v[k][2 * i + 1] * scale * w[2 * i + 1])));
      }
      for (uint32_t r = 0; r < p.ranks; ++r) {
        reinterpret_cast<uint4*>(a.normed[r] + at)[c] = {words[0], words[1], words[2], words[3]};
      }
    }
  }
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x == 0 && IsLastBlock(p)) FinishTurn(p, turn);
}

}  // namespace

void SumSmall(Launcher& l, const PeersArg& p, uint32_t odd, float* values, uint64_t count) {
  const uint64_t quads = count / 4;
  const auto blocks = static_cast<uint32_t>((quads + kSmallThreads - 1) / kSmallThreads);
  Launch(l, SumSmallKernel, blocks < kSmallBlocks ? blocks : kSmallBlocks, kSmallThreads, 0, p, odd,
         values, quads);
}

void SumRows(Launcher& l, const PeersArg& p, const SumRowsArgs& a) {
  const bool wide = a.cols > 4096;
  if (a.halves) {
    return wide ? SumRowsBy<true, kLargeThreads, 4>(l, p, a)
                : SumRowsBy<true, kLargeThreads / 2, 2>(l, p, a);
  }
  wide ? SumRowsBy<false, kLargeThreads, 4>(l, p, a) : SumRowsBy<false, kLargeThreads, 1>(l, p, a);
}

void GatherColumns(Launcher& l, const PeersArg& p, const GatherArgs& a) {
  const uint32_t blocks = (a.count / 4 + 2 * kLargeThreads - 1) / (2 * kLargeThreads);
  Launch(l, GatherKernel, dim3(blocks < 8 ? blocks : 8, a.rows), kLargeThreads, 0, p, a);
}

void TellSent(Launcher& l, const PeersArg& p, uint32_t sent) {
  Launch(l, TellSentKernel, 1, kMaxPeers, 0, p, sent);
}

void SumNorm(Launcher& l, const PeersArg& p, const SumNormArgs& a) {
  const uint32_t rows = (a.rows + p.ranks - 1) / p.ranks;
  const uint32_t most = 2 * l.multiprocessors;
  Launch(l, SumNormKernel, rows < most ? rows : most, kLargeThreads, 0, p, a);
}

}  // namespace wring::cuda
