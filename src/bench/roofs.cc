#include "bench/roofs.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/rng.h"
#include "bench/roof_kernels.h"

namespace wring::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Results of the timed loops go here, so that none of them is unused.
std::atomic<uint64_t> sink{0};

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr uint64_t kReadChunk = uint64_t{1} << 20;  // of the shared counter

double ReadOnce(ThreadPool& pool, const Buffer& buffer, uint64_t bytes,
                uint64_t (*read)(const std::byte*, size_t)) {
  // A small range is read several times, so that starting the threads does not count.
  const uint64_t passes = std::max<uint64_t>(1, (uint64_t{256} << 20) / bytes);
  const uint64_t chunk =
      std::min(kReadChunk, std::max<uint64_t>(bytes / pool.threads() / 8, 4 * kReadGrain)) /
      (4 * kReadGrain) * (4 * kReadGrain);
  const size_t chunks = bytes / chunk;
  const auto start = Clock::now();
  for (uint64_t pass = 0; pass < passes; ++pass) {
    pool.ParallelFor(chunks, 1, [&](size_t begin, size_t end, size_t) {
      sink.fetch_add(read(buffer.data() + begin * chunk, (end - begin) * chunk),
                     std::memory_order_relaxed);
    });
  }
  return static_cast<double>(passes * chunks * chunk) / Since(start) / 1e9;
}

// Operations a second (in 1e9) of a register loop on every thread at once: the best of some tries.
double Rate(ThreadPool& pool, uint64_t (*loop)(uint64_t), double ops_per_round, int tries = 5) {
  // Rounds that take about half a millisecond; many of them, so that threads end together.
  uint64_t rounds = 1000;
  while (true) {
    const auto start = Clock::now();
    sink.fetch_add(loop(rounds), std::memory_order_relaxed);
    if (Since(start) > 4e-4 || rounds > (uint64_t{1} << 30)) break;
    rounds *= 2;
  }
  const size_t items = 32 * pool.threads();
  double best = 0;
  for (int attempt = 0; attempt < tries; ++attempt) {
    const auto start = Clock::now();
    pool.ParallelFor(items, 1, [&](size_t begin, size_t end, size_t) {
      for (size_t i = begin; i < end; ++i) sink.fetch_add(loop(rounds), std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(items * rounds) * ops_per_round / Since(start) / 1e9);
  }
  return best;
}

}  // namespace

Result<std::unique_ptr<Roofs>> Roofs::Create(uint64_t bytes, Progress* progress) {
  WRING_ASSIGN(Buffer buffer, HostDevice().Allocate(RoundUp<uint64_t>(bytes, kReadChunk)));
  // Pages that were never written are all one page of zeros, which sits in the cache.
  auto* words = buffer.as<uint64_t>();
  const uint64_t step = 4096 / sizeof(uint64_t);
  for (uint64_t i = 0; i < buffer.size() / sizeof(uint64_t); i += step) {
    words[i] = i;
    if (progress != nullptr && i % (step << 12) == 0)
      progress->Report("preparing", i * 8, buffer.size());
  }
  return std::unique_ptr<Roofs>(new Roofs(std::move(buffer)));
}

ReadRoof Roofs::Read(ThreadPool& pool, uint64_t bytes, int repeats) {
  ReadRoof best;
  bytes = std::min<uint64_t>(bytes, buffer_.size());
  const auto& isas = cpu::SupportedIsas();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    for (const cpu::Isa isa : isas) {
      const RoofKernels kernels = RoofKernelsFor(isa);
      for (int p = 0; p < kReadPatterns; ++p) {
        const double rate = ReadOnce(pool, buffer_, bytes, kernels.read[p]);
        if (rate > best.gb_per_s) best = {rate, PatternName(p, kernels.bits), kernels.read[p]};
      }
    }
  }
  return best;
}

double Roofs::Again(ThreadPool& pool, const ReadRoof& roof) {
  return ReadOnce(pool, buffer_, buffer_.size(), roof.read);
}

double Roofs::Piece(ThreadPool& pool) {
  constexpr uint64_t kPiece = 8 << 10;
  constexpr uint64_t kApart =
      132 << 10;  // no power of two, whose pieces would meet in few sets of a cache
  const uint64_t count = std::min<uint64_t>(buffer_.size() / kApart, 4096);
  const auto read = RoofKernelsFor(cpu::BestKernels().isa).read[0];
  std::atomic<uint64_t> sum = 0;
  const auto start = std::chrono::steady_clock::now();
  pool.ParallelFor(count, 32, [&](size_t begin, size_t end, size_t) {
    uint64_t mine = 0;
    for (size_t i = begin; i < end; ++i) mine += read(buffer_.data() + i * kApart, kPiece);
    sum.fetch_add(mine, std::memory_order_relaxed);
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return took.count() * static_cast<double>(pool.threads()) / static_cast<double>(count);
}

ArithmeticRoof Roofs::Arithmetic(ThreadPool& pool) {
  // Of the set that kernels run with: WRING_ISA=avx2 compares AVX2 kernels with the AVX2 roof.
  const RoofKernels k = RoofKernelsFor(cpu::BestKernels().isa);
  ArithmeticRoof roof;
  roof.int8_gops = Rate(pool, k.int8, k.int8_ops);
  roof.narrow_gops = std::max(roof.int8_gops, Rate(pool, k.narrow, k.narrow_ops));
  roof.fp32_gflops = Rate(pool, k.fp32, k.fp32_ops);
  return roof;
}

double Roofs::Int8Now(ThreadPool& pool) {
  const RoofKernels k = RoofKernelsFor(cpu::BestKernels().isa);
  return Rate(pool, k.int8, k.int8_ops, 1);
}

}  // namespace wring::bench
