#include "bench/kernel_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/rng.h"
#include "bench/machine.h"
#include "bench/random_blocks.h"
#include "kernels/cpu/isa.h"
#include "tensor/buffer.h"

namespace wring::bench {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Matrices of one shape, packed one after another.
struct Matrices {
  Buffer memory;
  std::vector<PackedMatrix> all;
  uint64_t bytes = 0;
};

Result<Matrices> RandomMatrices(const WeightFormat& format, uint32_t rows, uint32_t cols,
                                size_t count, Progress* progress) {
  Matrices m;
  PackedMatrix shape;
  shape.format = &format;
  shape.rows = rows;
  shape.cols = cols;
  shape.panel_stride = RoundUp<uint64_t>(format.panel_bytes(cols), 64);
  m.bytes = count * shape.bytes();
  WRING_TRY(CheckMemory(m.bytes, "this measurement"));
  WRING_ASSIGN(m.memory, HostDevice().Allocate(m.bytes));
  // A few panels are packed and repeated: speed does not depend on the values.
  const uint64_t row_bytes = format.row_bytes(cols);
  const std::vector<std::byte> stored = RandomStored(format, kPanelRows * row_bytes, 1);
  const std::byte* lanes[kPanelRows];
  for (uint32_t i = 0; i < kPanelRows; ++i) lanes[i] = stored.data() + i * row_bytes;
  const uint64_t panels = m.bytes / shape.panel_stride;
  format.Pack(lanes, cols, m.memory.data());
  for (uint64_t p = 1; p < panels; ++p) {
    std::memcpy(m.memory.data() + p * shape.panel_stride, m.memory.data(),
                format.panel_bytes(cols));
    if (progress != nullptr) progress->Report("making weights", p, panels);
  }
  for (size_t i = 0; i < count; ++i) {
    shape.panels = m.memory.data() + i * shape.bytes();
    m.all.push_back(shape);
  }
  return m;
}

// Random activations in both forms that kernels take, and room for results and scratch.
struct Acts {
  std::vector<float> tiled, scale, sum, y;
  std::vector<int8_t> q;
  std::vector<int32_t> isum;
  std::vector<Buffer> scratch;
  cpu::Int8Acts int8;
  cpu::F32Acts f32;
};

Result<Acts> RandomActs(uint32_t rows, const PackedMatrix& m, ThreadPool& pool) {
  Acts a;
  const uint32_t cols = m.cols;
  std::vector<float> x(uint64_t{rows} * cols);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(Uniform(2, 0, 0, Draw::kTest, static_cast<uint32_t>(i))) - 0.5F;
  }
  a.tiled = x;
  a.q.resize(x.size());
  a.scale.resize(x.size() / cpu::kActBlock);
  a.sum.resize(a.scale.size());
  a.isum.resize(2 * a.scale.size());
  a.y.resize(RoundUp<size_t>(m.rows, 16) * rows);
  const cpu::Kernels& kernels = cpu::BestKernels();
  const uint64_t blocks = cols / cpu::kActBlock;
  for (uint32_t r = 0; r < rows; r += cpu::TileRows(rows - r, kernels.widest_tile)) {
    const float* tile[16];
    const uint32_t n = cpu::TileRows(rows - r, kernels.widest_tile);
    for (uint32_t i = 0; i < n; ++i) tile[i] = x.data() + uint64_t{r + i} * cols;
    kernels.elementwise.quantize_tile(tile, n, cols, a.q.data() + uint64_t{r} * cols,
                                      a.scale.data() + r * blocks, a.sum.data() + r * blocks,
                                      a.isum.data() + 2 * r * blocks);
  }
  for (size_t t = 0; t < pool.threads(); ++t) {
    WRING_ASSIGN(Buffer b, HostDevice().Allocate(cpu::LinearScratchBytes(cols, m.panel_stride)));
    a.scratch.push_back(std::move(b));
  }
  a.int8 = {rows, cols, a.q.data(), a.scale.data(), a.sum.data(), a.isum.data()};
  a.f32 = {rows, cols, a.tiled.data()};
  return a;
}

// Panels [begin, end) for activation rows [row, row + rows).
void Product(const PackedMatrix& m, Acts& a, uint32_t row, uint32_t rows, size_t begin, size_t end,
             size_t thread) {
  const auto& kernel = cpu::BestKernels().linear[static_cast<size_t>(m.format->id())];
  cpu::LinearOutput out;
  out.ld = RoundUp<uint64_t>(m.rows, 16);
  out.y = a.y.data() + row * out.ld;
  const uint64_t at = uint64_t{row} * m.cols;
  const auto b = static_cast<uint32_t>(begin);
  const auto e = static_cast<uint32_t>(end);
  if (kernel.int8 != nullptr) {
    const uint64_t block = at / cpu::kActBlock;
    const cpu::Int8Acts x = {rows,
                             m.cols,
                             a.int8.q + at,
                             a.int8.scale + block,
                             a.int8.sum + block,
                             a.int8.isum + 2 * block};
    kernel.int8(m, x, out, b, e, a.scratch[thread].data());
  } else {
    const cpu::F32Acts x = {rows, m.cols, a.f32.x + at};
    kernel.f32(m, x, out, b, e, a.scratch[thread].data());
  }
}

}  // namespace

Rate Summary(const std::vector<double>& values) {
  Rate rate;
  for (const double v : values) {
    rate.best = std::max(rate.best, v);
    rate.mean += v / static_cast<double>(values.size());
  }
  double squares = 0;
  for (const double v : values) squares += (v - rate.mean) * (v - rate.mean);
  if (values.size() > 1)
    rate.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return rate;
}

Result<Rate> MeasureGemm(const WeightFormat& format, ThreadPool& pool, int repeats) {
  WRING_ASSIGN(Matrices m, RandomMatrices(format, kGemmSize, kGemmSize, 1, nullptr));
  WRING_ASSIGN(Acts a, RandomActs(kGemmRows, m.all[0], pool));
  // Blocks of activation rows as the executor cuts them: 384 KiB of int8, a multiple of 24 rows.
  constexpr uint32_t kRowBlock = (384 << 10) / kGemmSize / 24 * 24;
  const double ops = 2.0 * kGemmSize * kGemmSize * kGemmRows;
  std::vector<double> rates;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = Clock::now();
    for (uint32_t row = 0; row < kGemmRows; row += kRowBlock) {
      const uint32_t rows = std::min(kRowBlock, kGemmRows - row);
      pool.ParallelFor(m.all[0].panel_count(), 1, [&](size_t begin, size_t end, size_t thread) {
        Product(m.all[0], a, row, rows, begin, end, thread);
      });
    }
    if (i > 0) rates.push_back(ops / Since(start) / 1e9);  // the first run warms up
  }
  return Summary(rates);
}

Result<Rate> MeasureGemv(const WeightFormat& format, ThreadPool& pool, uint64_t bytes, int repeats,
                         Progress* progress) {
  const uint64_t each =
      kGemmSize / kPanelRows * RoundUp<uint64_t>(format.panel_bytes(kGemmSize), 64);
  WRING_ASSIGN(Matrices m,
               RandomMatrices(format, kGemmSize, kGemmSize, CeilDiv(bytes, each), progress));
  WRING_ASSIGN(Acts a, RandomActs(1, m.all[0], pool));
  std::vector<double> rates;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = Clock::now();
    for (const PackedMatrix& matrix : m.all) {
      pool.ParallelFor(matrix.panel_count(), 1, [&](size_t begin, size_t end, size_t thread) {
        Product(matrix, a, 0, 1, begin, end, thread);
      });
    }
    if (i > 0) rates.push_back(static_cast<double>(m.bytes) / Since(start) / 1e9);
  }
  return Summary(rates);
}

Result<double> CachedGemv(const WeightFormat& format, ThreadPool& pool) {
  // 256 KiB a thread: inside every second-level cache of the last ten years, with room for the rest.
  constexpr uint32_t kCols = 2048;
  const uint64_t stride = RoundUp<uint64_t>(format.panel_bytes(kCols), 64);
  const auto panels = static_cast<uint32_t>(std::max<uint64_t>((256 << 10) / stride, 1));
  const auto threads = static_cast<uint32_t>(pool.threads());
  WRING_ASSIGN(Matrices m,
               RandomMatrices(format, panels * kPanelRows * threads, kCols, 1, nullptr));
  WRING_ASSIGN(Acts a, RandomActs(1, m.all[0], pool));
  constexpr uint32_t kPasses = 50;
  double best = 0;
  for (int i = 0; i < 12; ++i) {
    const auto start = Clock::now();
    // One item a thread; when one thread takes two, that try is slow and another one is the best.
    pool.ParallelFor(threads, 1, [&](size_t begin, size_t end, size_t thread) {
      for (size_t item = begin; item < end; ++item) {
        for (uint32_t pass = 0; pass < kPasses; ++pass) {
          Product(m.all[0], a, 0, 1, item * panels, (item + 1) * panels, thread);
        }
      }
    });
    best = std::max(best, static_cast<double>(kPasses * m.bytes) / Since(start) / 1e9);
  }
  return best;
}

bool HasInt8(const WeightFormat& format) {
  return cpu::BestKernels().linear[static_cast<size_t>(format.id())].int8 != nullptr;
}

double GemmBound(const WeightFormat& format, const ArithmeticRoof& roof) {
  if (!HasInt8(format)) return roof.fp32_gflops;
  return format.id() == FormatId::kQ8_0 ? roof.int8_gops : roof.narrow_gops;
}

}  // namespace wring::bench
