#include "train/taps.h"

#include <algorithm>

#include "base/checked.h"
#include "train/gemm.h"

namespace wring::train {
namespace {

using std::ptrdiff_t;

// Frames [begin, end) of [t0, t1) whose shifted frame lies in the item.
struct Frames {
  size_t begin, end;
};
Frames Inside(size_t t0, size_t t1, ptrdiff_t offset, size_t time) {
  const auto last = static_cast<ptrdiff_t>(time) - offset;  // one past; may be negative
  const size_t begin = std::max(t0, offset < 0 ? static_cast<size_t>(-offset) : 0);
  const size_t end = last < 0 ? 0 : std::min(t1, static_cast<size_t>(last));
  return {begin, std::max(begin, end)};
}

const float* Shifted(const float* x, size_t row, ptrdiff_t offset, size_t channels) {
  return x + (static_cast<ptrdiff_t>(row) + offset) * static_cast<ptrdiff_t>(channels);
}

}  // namespace

void AddTaps(ThreadPool& pool, const Taps& taps, const float* x, const float* w, float* y) {
  const size_t rows = taps.batch * taps.time;
  const size_t grain = RowGrain(taps.in * taps.out * taps.offsets.size()) / kGemmTile;
  pool.ParallelFor(CeilDiv(rows, kGemmTile), grain, [&](size_t first, size_t last, size_t) {
    const size_t end = std::min(rows, last * kGemmTile);
    for (size_t row = first * kGemmTile; row < end;) {
      const size_t item = row / taps.time;
      const size_t t0 = row % taps.time;
      const size_t t1 = std::min(taps.time, t0 + end - row);
      for (size_t j = 0; j < taps.offsets.size(); ++j) {
        const Frames f = Inside(t0, t1, taps.offsets[j], taps.time);
        if (f.begin == f.end) continue;
        const size_t at = item * taps.time + f.begin;
        Gemm({.m = f.end - f.begin,
              .n = taps.out,
              .k = taps.in,
              .a = Shifted(x, at, taps.offsets[j], taps.in),
              .a_row = taps.in,
              .b = w + j * taps.in * taps.out,
              .b_row = taps.out,
              .c = y + at * taps.out,
              .c_row = taps.out});
      }
      row += t1 - t0;
    }
  });
}

void AddTapsInputGradient(ThreadPool& pool, const Taps& taps, const float* dy, const float* w,
                          float* dx) {
  // dx[s] += sum over taps of dy[s - offset] w^T: the same product, the other way in time.
  Taps back = taps;
  std::swap(back.in, back.out);
  std::vector<float> transposed;
  transposed.reserve(taps.offsets.size() * taps.in * taps.out);
  for (size_t j = 0; j < taps.offsets.size(); ++j) {
    back.offsets[j] = -taps.offsets[j];
    const auto part = Transposed(w + j * taps.in * taps.out, taps.in, taps.out);
    transposed.insert(transposed.end(), part.begin(), part.end());
  }
  AddTaps(pool, back, dy, transposed.data(), dx);
}

void AddTapsWeightGradient(ThreadPool& pool, const Taps& taps, const float* x, const float* dy,
                           float* dw) {
  // A row of a tap's matrix is an input channel; whole sums belong to one thread.
  const size_t rows = taps.offsets.size() * taps.in;
  const size_t grain = RowGrain(taps.batch * taps.time * taps.out);
  pool.ParallelFor(rows, grain, [&](size_t row, size_t end, size_t) {
    while (row < end) {
      const size_t j = row / taps.in;
      const size_t channel = row % taps.in;
      const size_t channels = std::min(end - row, taps.in - channel);
      const Frames f = Inside(0, taps.time, taps.offsets[j], taps.time);
      // Items that no shift cuts are one long item.
      const bool whole = f.end - f.begin == taps.time;
      for (size_t item = 0; item < (whole ? 1 : taps.batch) && f.begin < f.end; ++item) {
        const size_t at = item * taps.time + f.begin;
        Gemm({.m = channels,
              .n = taps.out,
              .k = whole ? taps.batch * taps.time : f.end - f.begin,
              .a = Shifted(x, at, taps.offsets[j], taps.in) + channel,
              .a_row = 1,
              .a_column = taps.in,
              .b = dy + at * taps.out,
              .b_row = taps.out,
              .c = dw + row * taps.out,
              .c_row = taps.out});
      }
      row += channels;
    }
  });
}

void AddColumnSums(const float* x, size_t rows, size_t columns, float* sums) {
  const float one = 1;
  Gemm({.m = 1,
        .n = columns,
        .k = rows,
        .a = &one,
        .a_column = 0,
        .b = x,
        .b_row = columns,
        .c = sums,
        .c_row = columns});
}

}  // namespace wring::train
