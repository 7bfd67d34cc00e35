// Heads between the linear layers and attention: norm, rotation, and keys and values into the cache. A warp has one head
// of one row.
#include "kernels/cuda/append.cuh"
#include "kernels/cuda/launch.h"

namespace wring::cuda {
namespace {

constexpr uint32_t kHeadWarps = 4;

__global__ void TableKernel(const float* inverse, uint32_t half, float scale, RowsArg row,
                            float* cos_sin) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t i = threadIdx.x;
  if (i >= half) return;
  // The angle is rounded to float32 as the reference does, then its sine is exact.
  const float angle = static_cast<float>(row.position[blockIdx.x]) * inverse[i];
  double s = 0;
  double c = 0;
  sincos(static_cast<double>(angle), &s, &c);
  float* to = cos_sin + 2 * (uint64_t{blockIdx.x} * half + i);
  to[0] = scale * static_cast<float>(c);
  to[1] = scale * static_cast<float>(s);
}

constexpr uint32_t kRun = 8;

// Whether rows first .. first + 7 are positions 8 n .. 8 n + 7 of one sequence: their values of a channel are 16 bytes.
__device__ __forceinline__ bool IsRun(const AppendArgs& a, uint32_t first) {
  if (first + kRun > a.rows) return false;
  const uint32_t sequence = a.row.sequence[first];
  const uint32_t position = a.row.position[first];
  return position % kRun == 0 && a.row.sequence[first + kRun - 1] == sequence &&
         a.row.position[first + kRun - 1] == position + kRun - 1;
}

// float16 values of such runs, a thread block a run and KV head.
__global__ void __launch_bounds__(128) AppendValuesKernel(const __grid_constant__ AppendArgs a) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t first = blockIdx.y * kRun;
  const uint32_t sequence = a.row.sequence[first];
  if (!IsRun(a, first) || a.cache.first[sequence] == kNotThisCodec) return;
  const uint32_t n = a.head_dim;
  const uint32_t padded = (n + 15) / 16 * 16;
  const uint32_t position = a.row.position[first];
  std::byte* head = HeadOf(a.cache, BlockAt(a.cache, sequence, position / kBlockTokens),
                           a.cache.kv_heads + blockIdx.x);
  for (uint32_t c = threadIdx.x; c < padded; c += 128) {
    __align__(16) __half values[kRun];
#pragma unroll
    for (uint32_t i = 0; i < kRun; ++i) {
      values[i] = Saturated(
          c < n ? LoadInput(a, a.v, uint64_t{first + i} * a.ldk + blockIdx.x * n + c) : 0.F);
    }
    __half* to = reinterpret_cast<__half*>(head) + c * kBlockTokens + position % kBlockTokens;
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(values);
  }
}

template <CodecId kCodec>
__global__ void __launch_bounds__(32 * kHeadWarps)
    AppendKernel(const __grid_constant__ AppendArgs a) {
  __shared__ float heads[kHeadWarps][kMaxHead];
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint32_t h = blockIdx.x * kHeadWarps + threadIdx.x / 32;
  if (h >= a.heads + 2 * a.kv_heads) return;
  const uint32_t row = blockIdx.y;
  const bool value = h >= a.heads + a.kv_heads;
  if (kCodec == CodecId::kF16 && value && IsRun(a, row / kRun * kRun)) return;  // has its kernel
  float* vector = heads[threadIdx.x / 32];
  const uint32_t n = a.head_dim;
  const bool query = h < a.heads;
  const bool key = !query && h < a.heads + a.kv_heads;
  const uint32_t kv = query ? 0 : (h - a.heads) % a.kv_heads;
  PrepareHead<kMaxHead>(a, row, query ? h : kv,
                        query ? HeadKind::kQuery
                        : key ? HeadKind::kKey
                              : HeadKind::kValue,
                        vector, lane);
  const uint32_t padded = (n + 15) / 16 * 16;
  if (query) {
    __half* to = reinterpret_cast<__half*>(a.q_out) + uint64_t{row} * a.ldq_out + h * padded;
    for (uint32_t i = lane; i < padded; i += 32) to[i] = i < n ? Saturated(vector[i]) : __half(0.F);
    return;
  }
  if (a.cache.first[a.row.sequence[row]] == kNotThisCodec) return;
  const uint32_t position = a.row.position[row];
  const uint64_t at = BlockAt(a.cache, a.row.sequence[row], position / kBlockTokens);
  StoreHead<kCodec>(n, HeadOf(a.cache, at, key ? kv : a.cache.kv_heads + kv),
                    position % kBlockTokens, key, vector, lane);
}

}  // namespace

void RopeTable(Launcher& l, const float* inverse, uint32_t half, float scale, RowsArg row,
               uint32_t rows, float* cos_sin) {
  Launch(l, TableKernel, rows, (half + 31) / 32 * 32, 0, inverse, half, scale, row, cos_sin);
}

void Append(Launcher& l, const AppendArgs& a) {
  const uint32_t all = a.heads + 2 * a.kv_heads;
  const dim3 grid((all + kHeadWarps - 1) / kHeadWarps, a.rows);
  switch (a.cache.codec) {
    case CodecId::kF16:
      Launch(l, AppendKernel<CodecId::kF16>, grid, 32 * kHeadWarps, 0, a);
      if (a.rows >= kRun) {
        Launch(l, AppendValuesKernel, dim3(a.kv_heads, a.rows / kRun), 128, 0, a);
      }
      return;
    case CodecId::kI8: return Launch(l, AppendKernel<CodecId::kI8>, grid, 32 * kHeadWarps, 0, a);
    case CodecId::kF32: return;  // has no attention here
  }
}

}  // namespace wring::cuda
