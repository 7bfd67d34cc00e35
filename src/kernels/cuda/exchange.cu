#include "kernels/cuda/exchange.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/lines.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"

namespace wring::cuda {
namespace {

constexpr uint32_t kSmallThreads = 256;
constexpr uint32_t kSmallBlocks = 128;
constexpr uint32_t kLargeThreads = 512;

__device__ __forceinline__ uint64_t Nanoseconds() {
  uint64_t t;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
  return t;
}

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
  if (atomicAdd(p.turn + 1, 1U) + 1 != gridDim.x) return false;
  p.turn[1] = 0;
  return true;
}

__global__ void __launch_bounds__(kSmallThreads)
    SumSmallKernel(const __grid_constant__ PeersArg p, float* values, uint64_t quads) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t turn = *p.turn + 1;
  const uint64_t lines = p.room / 2;
  const uint64_t half = turn % 2 * p.ranks * lines;  // a rank may be one turn ahead
  const uint64_t first = uint64_t{blockIdx.x} * kSmallThreads + threadIdx.x;
  const uint64_t stride = uint64_t{gridDim.x} * kSmallThreads;
  for (uint64_t i = first; i < quads; i += stride) {
    const float4 v = reinterpret_cast<const float4*>(values)[i];
    for (uint32_t r = 0; r < p.ranks; ++r) {
      if (r == p.rank) continue;
      uint4* to = p.inbox[r] + half + p.rank * lines + i;
      StoreLine(to, __float_as_uint(v.x), __float_as_uint(v.y), turn);
      StoreLine(to + quads, __float_as_uint(v.z), __float_as_uint(v.w), turn);
    }
  }
  for (uint64_t i = first; i < quads; i += stride) {
    const float4 mine = reinterpret_cast<const float4*>(values)[i];
    float4 sum = {0, 0, 0, 0};
    for (uint32_t r = 0; r < p.ranks; ++r) {
      float4 v = mine;
      if (r != p.rank) {
        const uint4* from = p.inbox[p.rank] + half + r * lines + i;
        uint4 a;
        uint4 b;
        Await(p.failed, [&] {
          a = LoadLine(from);
          b = LoadLine(from + quads);
          return IsOf(a, turn) && IsOf(b, turn);
        });
        v = {__uint_as_float(a.x), __uint_as_float(a.z), __uint_as_float(b.x),
             __uint_as_float(b.z)};
      }
      sum = {sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w};
    }
    reinterpret_cast<float4*>(values)[i] = sum;
  }
  __syncthreads();
  if (threadIdx.x == 0 && IsLastBlock(p)) *p.turn = turn;
}

// A quadruple of the sum of the ranks' float16 numbers, on top of `old`; those of others are in lines.
__device__ __forceinline__ float4 SumLines(const PeersArg& p, const Half* sent, const float4& old,
                                           uint64_t quad, uint32_t turn) {
  float4 sum = old;
  for (uint32_t r = 0; r < p.ranks; ++r) {
    uint2 part;
    if (r == p.rank) {
      part = reinterpret_cast<const uint2*>(sent)[quad];
    } else {
      const uint64_t lines = p.room / 2;
      const uint4* from = p.inbox[p.rank] + turn % 2 * p.ranks * lines + r * lines + quad;
      uint4 line;
      Await(p.failed, [&] {
        line = LoadLine(from);
        return IsOf(line, turn);
      });
      part = {line.x, line.z};
    }
    const float2 low = __half22float2(AsHalf2(part.x));
    const float2 high = __half22float2(AsHalf2(part.y));
    sum = {sum.x + low.x, sum.y + low.y, sum.z + high.x, sum.w + high.y};
  }
  return sum;
}

// The sum of what SumRowsKernel() sends itself. Numbers go without their turn, which a flag a row tells once all of them are
// there; kMost quadruples a thread.
template <uint32_t kMost>
__device__ __forceinline__ void ExchangeRow(const PeersArg& p, const SumRowsArgs& a, uint32_t turn,
                                            uint32_t row, float4 (&sums)[kMost]) {
  const uint32_t runs = a.cols / 4;
  const uint64_t half = turn % 2 * p.ranks * p.room;
  const uint64_t at = uint64_t{row} * a.ld;
#pragma unroll
  for (uint32_t k = 0; k < kMost; ++k) {
    const uint32_t c = k * kLargeThreads + threadIdx.x;
    if (c >= runs) break;
    for (uint32_t r = 0; r < p.ranks; ++r) {
      if (r == p.rank) continue;
      reinterpret_cast<float4*>(p.rows_inbox[r] + half + p.rank * p.room + at)[c] = sums[k];
    }
  }
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x < p.ranks && threadIdx.x != p.rank) {
    StoreRelease(p.row_flags[threadIdx.x] + p.rank * kMostSumRows + row, turn);
    const uint32_t* flag = p.row_flags[p.rank] + threadIdx.x * kMostSumRows + row;
    // A rank may be one turn ahead.
    Await(p.failed, [&] { return static_cast<int32_t>(LoadAcquire(flag) - turn) >= 0; });
  }
  __syncthreads();
#pragma unroll
  for (uint32_t k = 0; k < kMost; ++k) {
    const uint32_t c = k * kLargeThreads + threadIdx.x;
    if (c >= runs) break;
    const float4 mine = sums[k];
    sums[k] = {0, 0, 0, 0};
    for (uint32_t r = 0; r < p.ranks; ++r) {
      const float4 v = r == p.rank ? mine
                                   : __ldcg(reinterpret_cast<const float4*>(
                                                p.rows_inbox[p.rank] + half + r * p.room + at) +
                                            c);
      sums[k] = {sums[k].x + v.x, sums[k].y + v.y, sums[k].z + v.z, sums[k].w + v.w};
    }
  }
}

// A block a row.
__global__ void __launch_bounds__(kLargeThreads)
    SumRowsKernel(const __grid_constant__ PeersArg p, const __grid_constant__ SumRowsArgs a) {
  constexpr uint32_t kMost = kSumNormCols / 4 / kLargeThreads;  // quadruples a thread
  LetNextStart();
  WaitForPrevious();
  const uint32_t turn = *p.turn + 1;
  const uint32_t row = blockIdx.x;
  const uint32_t runs = a.cols / 4;
  const uint64_t at = uint64_t{row} * a.ld;
  auto* values = reinterpret_cast<float4*>(a.values + at);
  float4 sums[kMost];
#pragma unroll
  for (uint32_t k = 0; k < kMost; ++k) {
    const uint32_t c = k * kLargeThreads + threadIdx.x;
    if (c < runs) sums[k] = values[c];
  }
  if (a.sent == nullptr) {
    ExchangeRow(p, a, turn, row, sums);
  } else {
#pragma unroll
    for (uint32_t k = 0; k < kMost; ++k) {
      const uint32_t c = k * kLargeThreads + threadIdx.x;
      if (c < runs) sums[k] = SumLines(p, a.sent, sums[k], at / 4 + c, turn);
    }
  }
  float squares = 0;
#pragma unroll
  for (uint32_t k = 0; k < kMost; ++k) {
    const uint32_t c = k * kLargeThreads + threadIdx.x;
    if (c >= runs) break;
    const float4 sum = sums[k];
    values[c] = sum;
    squares += sum.x * sum.x + sum.y * sum.y + sum.z * sum.z + sum.w * sum.w;
  }
  if (a.weight != nullptr) {
    const float scale =
        rsqrtf(BlockSum<kLargeThreads>(squares) / static_cast<float>(a.cols) + a.eps);
#pragma unroll
    for (uint32_t k = 0; k < kMost; ++k) {
      const uint32_t c = k * kLargeThreads + threadIdx.x;
      if (c >= runs) break;
      const float4 w = reinterpret_cast<const float4*>(a.weight)[c];
      const float4 v = sums[k];
      reinterpret_cast<uint2*>(a.normed + at)[c] = {
          AsWord(__halves2half2(Saturated(v.x * scale * w.x), Saturated(v.y * scale * w.y))),
          AsWord(__halves2half2(Saturated(v.z * scale * w.z), Saturated(v.w * scale * w.w)))};
    }
  }
  __syncthreads();
  if (threadIdx.x == 0 && IsLastBlock(p)) *p.turn = turn;
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
  if (threadIdx.x != 0) return;
  if (!IsLastBlock(p)) return;
  // All that this rank sent is there; now all that the others send.
  __threadfence_system();
  for (uint32_t r = 0; r < p.ranks; ++r) StoreRelease(p.flags[r] + kMaxPeers + p.rank, turn);
  for (uint32_t r = 0; r < p.ranks; ++r) {
    Await(p.failed, [&] {
      return static_cast<int32_t>(LoadAcquire(p.flags[p.rank] + kMaxPeers + r) - turn) >= 0;
    });
  }
  *p.turn = turn;
}

}  // namespace

void SumSmall(Launcher& l, const PeersArg& p, float* values, uint64_t count) {
  const uint64_t quads = count / 4;
  const auto blocks = static_cast<uint32_t>((quads + kSmallThreads - 1) / kSmallThreads);
  Launch(l, SumSmallKernel, blocks < kSmallBlocks ? blocks : kSmallBlocks, kSmallThreads, 0, p,
         values, quads);
}

void SumRows(Launcher& l, const PeersArg& p, const SumRowsArgs& a) {
  Launch(l, SumRowsKernel, a.rows, kLargeThreads, 0, p, a);
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
