// The one product behind Linear, Conv1d and the recurrent weights: rows of a sequence, shifted in
// time by each tap's offset, times the tap's matrix.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"

namespace wring::train {

struct Taps {
  size_t batch = 1, time = 1;           // rows that leave their item through a shift count as zeros
  size_t in = 1, out = 1;               // channels
  std::vector<std::ptrdiff_t> offsets;  // frames, one a tap
};

// y[b, t] += sum over taps j in order of x[b, t + offsets[j]] w[j]; w [taps, in, out].
void AddTaps(ThreadPool& pool, const Taps& taps, const float* x, const float* w, float* y);
// dx[b, t + offsets[j]] += dy[b, t] w[j]^T.
void AddTapsInputGradient(ThreadPool& pool, const Taps& taps, const float* dy, const float* w,
                          float* dx);
// dw[j] += sum over b, then t, of x[b, t + offsets[j]]^T dy[b, t].
void AddTapsWeightGradient(ThreadPool& pool, const Taps& taps, const float* x, const float* dy,
                           float* dw);

// sums[c] += the column's sum, from the first row to the last; x [rows, columns].
void AddColumnSums(const float* x, size_t rows, size_t columns, float* sums);

}  // namespace wring::train
