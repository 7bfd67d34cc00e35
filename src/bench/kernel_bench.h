// One linear kernel alone: the prefill product and the decode product of a weight format.
#pragma once

#include "base/progress.h"
#include "base/thread_pool.h"
#include "bench/roofs.h"
#include "quant/weight_format.h"

namespace wring::bench {

struct Rate {
  double best = 0, mean = 0, deviation = 0;
};

inline constexpr uint32_t kGemmSize = 4096;
inline constexpr uint32_t kGemmRows = 512;

// GOP/s of a kGemmSize x kGemmSize matrix by kGemmRows activations, int8 where the format has it.
Result<Rate> MeasureGemm(const WeightFormat& format, ThreadPool& pool, int repeats);

// GB/s of packed weights read by the product with one activation row, over matrices of 4096 columns that
// take at least `bytes` together.
Result<Rate> MeasureGemv(const WeightFormat& format, ThreadPool& pool, uint64_t bytes, int repeats,
                         Progress* progress = nullptr);

// The same over weights that stay in each thread's second-level cache: how fast the instructions alone go.
Result<double> CachedGemv(const WeightFormat& format, ThreadPool& pool);

// What no kernel of the format may beat, of the arithmetic it runs in.
double GemmBound(const WeightFormat& format, const ArithmeticRoof& roof);
bool HasInt8(const WeightFormat& format);

Rate Summary(const std::vector<double>& values);

}  // namespace wring::bench
