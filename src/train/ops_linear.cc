#include <algorithm>

#include "base/checked.h"
#include "train/gemm.h"
#include "train/ops.h"
#include "train/taps.h"

namespace wring::train {
namespace {

// Every row of y is the bias.
void FillRows(const Tensor& y, const Tensor& bias) {
  if (!bias) return;
  assert(bias.size() == y.channels());
  for (size_t r = 0; r < y.rows(); ++r) {
    std::copy_n(bias.data(), y.channels(), y.data() + r * y.channels());
  }
}

Tensor ApplyTaps(Tape& tape, const Taps& taps, Shape shape, const Tensor& x, const Tensor& w,
                 const Tensor& b) {
  Tensor y(std::move(shape));
  FillRows(y, b);
  AddTaps(tape.pool(), taps, x.data(), w.data(), y.data());
  if (!tape.Wants({x, w, b})) return y;
  tape.Record(y, [&pool = tape.pool(), taps, x, w, b, y] {
    if (x.requires_grad()) AddTapsInputGradient(pool, taps, y.grad(), w.data(), x.grad());
    if (w.requires_grad()) AddTapsWeightGradient(pool, taps, x.data(), y.grad(), w.grad());
    if (b.requires_grad()) AddColumnSums(y.grad(), y.rows(), y.channels(), b.grad());
  });
  return y;
}

// Tap j of k reads frame t + (j - (k - 1) / 2) * dilation.
std::vector<std::ptrdiff_t> SameOffsets(size_t k, size_t dilation) {
  std::vector<std::ptrdiff_t> offsets;
  const auto middle = static_cast<std::ptrdiff_t>((k - 1) / 2);
  for (size_t j = 0; j < k; ++j) {
    offsets.push_back((static_cast<std::ptrdiff_t>(j) - middle) *
                      static_cast<std::ptrdiff_t>(dilation));
  }
  return offsets;
}

// Calls fn(out row, in row, tap) for every pair of frames that a tap connects, a channel row each,
// of output rows [begin, end).
template <class Fn>
void ForTaps(size_t begin, size_t end, size_t time, const std::vector<std::ptrdiff_t>& offsets,
             const Fn& fn) {
  for (size_t row = begin; row < end; ++row) {
    const auto t = static_cast<std::ptrdiff_t>(row % time);
    for (size_t j = 0; j < offsets.size(); ++j) {
      const std::ptrdiff_t from = t + offsets[j];
      if (from < 0 || from >= static_cast<std::ptrdiff_t>(time)) continue;
      fn(row, row - static_cast<size_t>(t) + static_cast<size_t>(from), j);
    }
  }
}

// out[c] += a[c] * b[c].
void MultiplyAdd(const float* __restrict a, const float* __restrict b, size_t n,
                 float* __restrict out) {
  for (size_t c = 0; c < n; ++c) out[c] += a[c] * b[c];
}

}  // namespace

Tensor Linear(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b) {
  assert(w.shape().size() == 2 && w.dim(0) == x.channels());
  Shape shape = x.shape();
  shape.back() = w.dim(1);
  const Taps taps{
      .batch = 1, .time = x.rows(), .in = x.channels(), .out = w.dim(1), .offsets = {0}};
  return ApplyTaps(tape, taps, std::move(shape), x, w, b);
}

Tensor Conv1d(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b, size_t dilation) {
  assert(x.shape().size() == 3 && w.shape().size() == 3 && w.dim(1) == x.channels());
  const Taps taps{.batch = x.dim(0),
                  .time = x.dim(1),
                  .in = x.channels(),
                  .out = w.dim(2),
                  .offsets = SameOffsets(w.dim(0), dilation)};
  return ApplyTaps(tape, taps, {x.dim(0), x.dim(1), w.dim(2)}, x, w, b);
}

Tensor MatMulTransposed(Tape& tape, const Tensor& a, const Tensor& b) {
  assert(b.shape().size() == 2 && b.dim(1) == a.channels());
  Shape shape = a.shape();
  shape.back() = b.dim(0);
  Tensor y(std::move(shape));
  const Taps taps{
      .batch = 1, .time = a.rows(), .in = a.channels(), .out = b.dim(0), .offsets = {0}};
  AddTapsInputGradient(
      tape.pool(), {.batch = 1, .time = taps.time, .in = taps.out, .out = taps.in, .offsets = {0}},
      a.data(), b.data(), y.data());
  if (!tape.Wants({a, b})) return y;
  tape.Record(y, [&pool = tape.pool(), taps, a, b, y] {
    Taps back = taps;
    std::swap(back.in, back.out);
    if (a.requires_grad()) AddTaps(pool, back, y.grad(), b.data(), a.grad());
    if (b.requires_grad()) AddTapsWeightGradient(pool, back, y.grad(), a.data(), b.grad());
  });
  return y;
}

Tensor DepthwiseConv1d(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b,
                       size_t dilation) {
  assert(x.shape().size() == 3 && w.shape().size() == 2 && w.dim(1) == x.channels());
  const size_t time = x.dim(1);
  const size_t n = x.channels();
  const auto offsets = SameOffsets(w.dim(0), dilation);
  const size_t grain = RowGrain(16 * n * offsets.size());  // loops of few lanes
  Tensor y(x.shape());
  FillRows(y, b);
  tape.pool().ParallelFor(x.rows(), grain, [&](size_t begin, size_t end, size_t) {
    ForTaps(begin, end, time, offsets, [&](size_t to, size_t from, size_t j) {
      MultiplyAdd(x.data() + from * n, w.data() + j * n, n, y.data() + to * n);
    });
  });
  if (!tape.Wants({x, w, b})) return y;
  tape.Record(y, [&pool = tape.pool(), x, w, b, y, offsets, time, n, grain] {
    const float* dy = y.grad();
    if (x.requires_grad()) {
      float* dx = x.grad();
      auto back = offsets;
      for (auto& offset : back) offset = -offset;
      pool.ParallelFor(x.rows(), grain, [&](size_t begin, size_t end, size_t) {
        ForTaps(begin, end, time, back, [&](size_t to, size_t from, size_t j) {
          MultiplyAdd(dy + from * n, w.data() + j * n, n, dx + to * n);
        });
      });
    }
    if (w.requires_grad()) {
      float* dw = w.grad();
      pool.ParallelFor(offsets.size(), 1, [&](size_t begin, size_t end, size_t) {
        for (size_t j = begin; j < end; ++j) {
          ForTaps(0, x.rows(), time, {offsets[j]}, [&](size_t to, size_t from, size_t) {
            MultiplyAdd(x.data() + from * n, dy + to * n, n, dw + j * n);
          });
        }
      });
    }
    if (b.requires_grad()) AddColumnSums(dy, y.rows(), n, b.grad());
  });
  return y;
}

}  // namespace wring::train
