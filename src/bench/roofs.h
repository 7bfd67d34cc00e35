// What this machine can do at best, measured: bytes read from memory, and multiply-adds from registers.
// Every speed that Wring prints stands beside one of these.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/buffer.h"

namespace wring::bench {

inline constexpr uint64_t kMemoryBytes = uint64_t{1} << 30;  // beyond any cache

struct ReadRoof {
  double gb_per_s = 0;
  std::string pattern;  // the one that won: "2 streams, prefetch, 512 bits"
  uint64_t (*read)(const std::byte*, size_t) = nullptr;
};

// All threads together, each busy. An operation is a multiply or an add, 2 a multiply-add.
struct ArithmeticRoof {
  double int8_gops = 0;  // 8-bit products added in 32 bits: the roof percentages refer to
  // Products of narrow codes (fewer than 8 bits) may be added in 16 bits before widening, which takes fewer
  // instructions where there is no 8-bit dot product: what no kernel of such a format may beat.
  double narrow_gops = 0;
  double fp32_gflops = 0;
};

// Measures; keeps its buffer, so that many measurements pay for its pages once.
class Roofs {
 public:
  // Read patterns run over `bytes`; kLimit when there is no memory for them.
  static Result<std::unique_ptr<Roofs>> Create(uint64_t bytes, Progress* progress = nullptr);

  // The best of several read patterns over the first `bytes` of the buffer, `repeats` passes each.
  ReadRoof Read(ThreadPool& pool, uint64_t bytes, int repeats);
  ReadRoof Read(ThreadPool& pool) { return Read(pool, buffer_.size(), 2); }
  // GB/s of one more pass of the pattern that won: the roof at this moment, to stand beside a figure taken now.
  double Again(ThreadPool& pool, const ReadRoof& roof);
  // Seconds that a thread takes for 8 KiB of memory that lie alone, while all threads read such: mostly waiting. After a
  // pass over the buffer, since small pieces stay in a cache.
  double Piece(ThreadPool& pool);
  static ArithmeticRoof Arithmetic(ThreadPool& pool);
  // int8_gops by one try: the rate at this moment.
  static double Int8Now(ThreadPool& pool);

 private:
  explicit Roofs(Buffer buffer) : buffer_(std::move(buffer)) {}
  Buffer buffer_;
};

}  // namespace wring::bench
