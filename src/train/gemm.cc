#include "train/gemm.h"

#include <algorithm>

#include "base/checked.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "train/gemm.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/simd-inl.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::train::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;
using cpu::HWY_NAMESPACE::DF;
using cpu::HWY_NAMESPACE::kLanes;
using cpu::HWY_NAMESPACE::VF;

// A tile is kRows x 2 vectors of C in registers: 12 chains hide AVX2's latency of 4 at 2 a cycle
// and leave 4 of 16 registers; with 32 registers 24 chains fit, which halves the loads of B.
constexpr size_t kRows = HWY_TARGET == HWY_AVX2 ? 6 : 12;
static_assert(kGemmTile % kRows == 0);
// Rows of B a block: 256 x 2 vectors are 32 KiB with AVX-512 and stay in L1 while tiles go by. C is
// stored and loaded again between blocks, which rounds nothing.
constexpr size_t kBlock = 256;

template <size_t R, size_t V>
HWY_INLINE void Tile(const Product& p, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                     size_t b_row, size_t k, float* HWY_RESTRICT c, size_t c_row) {
  const DF df;
  VF acc[R][V];
  WRING_UNROLL
  for (size_t r = 0; r < R; ++r) {
    WRING_UNROLL
    for (size_t v = 0; v < V; ++v) acc[r][v] = hn::LoadU(df, c + r * c_row + v * kLanes);
  }
  const size_t a_row = p.a_row;
  for (size_t i = 0; i < k; ++i) {
    VF row[V];
    WRING_UNROLL
    for (size_t v = 0; v < V; ++v) row[v] = hn::LoadU(df, b + v * kLanes);
    WRING_UNROLL
    for (size_t r = 0; r < R; ++r) {
      const VF x = hn::Set(df, a[r * a_row]);
      WRING_UNROLL
      for (size_t v = 0; v < V; ++v) acc[r][v] = hn::MulAdd(x, row[v], acc[r][v]);
    }
    a += p.a_column;
    b += b_row;
  }
  WRING_UNROLL
  for (size_t r = 0; r < R; ++r) {
    WRING_UNROLL
    for (size_t v = 0; v < V; ++v) hn::StoreU(acc[r][v], df, c + r * c_row + v * kLanes);
  }
}

// All rows of one panel, V vectors wide.
template <size_t V>
HWY_NOINLINE void Panel(const Product& p, const float* a, const float* b, size_t b_row, size_t k,
                        float* c, size_t c_row) {
  size_t i = 0;
  const auto tile = [&]<size_t R>(std::integral_constant<size_t, R>) HWY_ATTR {
    for (; i + R <= p.m; i += R) Tile<R, V>(p, a + i * p.a_row, b, b_row, k, c + i * c_row, c_row);
  };
  tile(std::integral_constant<size_t, kRows>());
  tile(std::integral_constant<size_t, 4>());
  tile(std::integral_constant<size_t, 2>());
  tile(std::integral_constant<size_t, 1>());
}

// The columns after the last whole vector: B and C go through copies padded to one vector, 24 rows
// of C at a time.
HWY_NOINLINE void LastColumns(const Product& p, const float* a, const float* b, size_t columns,
                              size_t k, float* c) {
  alignas(64) float b_copy[kBlock * kLanes] = {};
  for (size_t i = 0; i < k; ++i) {
    std::copy_n(b + i * p.b_row, columns, b_copy + i * kLanes);
  }
  constexpr size_t kCopied = 2 * kGemmTile;
  alignas(64) float c_copy[kCopied * kLanes] = {};
  Product part = p;
  for (size_t i = 0; i < p.m; i += kCopied) {
    part.m = std::min(kCopied, p.m - i);
    float* at = c + i * p.c_row;
    for (size_t r = 0; r < part.m; ++r) {
      std::copy_n(at + r * p.c_row, columns, c_copy + r * kLanes);
    }
    Panel<1>(part, a + i * p.a_row, b_copy, kLanes, k, c_copy, kLanes);
    for (size_t r = 0; r < part.m; ++r) {
      std::copy_n(c_copy + r * kLanes, columns, at + r * p.c_row);
    }
  }
}

}  // namespace

void GemmKernel(const Product& p) {
  const size_t blocks = CeilDiv(p.k, kBlock);
  for (size_t block = 0; block < blocks; ++block) {
    const size_t k0 = p.k * block / blocks;
    const size_t k = p.k * (block + 1) / blocks - k0;
    const float* a = p.a + k0 * p.a_column;
    const float* b = p.b + k0 * p.b_row;
    size_t j = 0;
    for (; j + 2 * kLanes <= p.n; j += 2 * kLanes) {
      Panel<2>(p, a, b + j, p.b_row, k, p.c + j, p.c_row);
    }
    for (; j + kLanes <= p.n; j += kLanes) Panel<1>(p, a, b + j, p.b_row, k, p.c + j, p.c_row);
    if (j < p.n) LastColumns(p, a, b + j, p.n - j, k, p.c + j);
  }
}

}  // namespace wring::train::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
namespace wring::train {

GemmFn GemmFor([[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  return isa == cpu::Isa::kAvx512 ? N_AVX3_DL::GemmKernel : N_AVX2::GemmKernel;
#else
  return N_NEON::GemmKernel;
#endif
}

void Gemm(const Product& p) {
  static const GemmFn kernel = GemmFor(cpu::BestKernels().isa);
  kernel(p);
}

void Gemm(ThreadPool& pool, const Product& p) {
  const size_t tiles = CeilDiv(p.m, kGemmTile);
  const size_t grain = RowGrain(p.n * p.k) / kGemmTile;
  pool.ParallelFor(tiles, grain, [&](size_t begin, size_t end, size_t) {
    Product part = p;
    const size_t row = begin * kGemmTile;
    part.m = std::min(end * kGemmTile, p.m) - row;
    part.a += row * p.a_row;
    part.c += row * p.c_row;
    Gemm(part);
  });
}

size_t RowGrain(size_t multiply_adds_per_row) {
  constexpr size_t kWorthwhile = size_t{1} << 17;
  const size_t rows = kWorthwhile / std::max<size_t>(multiply_adds_per_row, 1);
  return RoundUp(std::max<size_t>(rows, 1), kGemmTile);
}

std::vector<float> Transposed(const float* in, size_t rows, size_t columns) {
  std::vector<float> out(rows * columns);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) out[j * rows + i] = in[i * columns + j];
  }
  return out;
}

}  // namespace wring::train
#endif
