#include <algorithm>
#include <cmath>
#include <vector>

#include "train/gemm.h"
#include "train/ops.h"
#include "train/taps.h"

namespace wring::train {
namespace {

float Logistic(float v) { return 1.0F / (1.0F + std::exp(-v)); }

// What one call knows, forward and backward. Items do not meet in time, so threads take items;
// inside a thread a frame's product serves all its items at once.
struct GruRun {
  size_t batch, time, in, hidden;
  Tensor x, start, y;
  GruWeights weights;
  // [batch * time, 4 hidden]: r, z, n and h Un + bhn. Without a tape only the frame at hand lives.
  std::vector<float> gates;

  GruRun(const Tensor& x_in, const GruWeights& w, const Tensor& start_in)
      : batch(x_in.dim(0)),
        time(x_in.dim(1)),
        in(x_in.channels()),
        hidden(w.u.dim(0)),
        x(x_in),
        start(start_in),
        y({batch, time, hidden}),
        weights(w) {}

  size_t Row(size_t item, size_t t) const { return item * time + t; }
  Taps InputTaps() const {
    return {.batch = 1, .time = batch * time, .in = in, .out = 3 * hidden, .offsets = {0}};
  }
  // State before frame t of an item; null for zeros.
  const float* Before(size_t item, size_t t) const {
    if (t > 0) return y.data() + Row(item, t - 1) * hidden;
    return start ? start.data() + item * hidden : nullptr;
  }
  // An item's step of T frames of 4 x hidden sums is worth handing over.
  size_t ItemGrain() const { return (size_t{1} << 16) / (time * hidden * hidden) + 1; }

  void Forward(ThreadPool& pool, bool keep);
  void ForwardItems(const std::vector<float>& from_x, size_t begin, size_t end, bool keep);
  void Backward(ThreadPool& pool);
  void BackwardItems(const float* u_transposed, size_t begin, size_t end, float* d_from_x,
                     float* d_from_h);
};

void GruRun::Forward(ThreadPool& pool, bool keep) {
  std::vector<float> from_x(batch * time * 3 * hidden);
  for (size_t r = 0; r < batch * time; ++r) {
    std::copy_n(weights.bx.data(), 3 * hidden, from_x.data() + r * 3 * hidden);
  }
  AddTaps(pool, InputTaps(), x.data(), weights.w.data(), from_x.data());
  if (keep) gates.resize(batch * time * 4 * hidden);
  pool.ParallelFor(batch, ItemGrain(), [&](size_t begin, size_t end, size_t) {
    ForwardItems(from_x, begin, end, keep);
  });
}

void GruRun::ForwardItems(const std::vector<float>& from_x, size_t begin, size_t end, bool keep) {
  const size_t h = hidden;
  std::vector<float> from_h((end - begin) * 3 * h);
  for (size_t t = 0; t < time; ++t) {
    for (size_t i = begin; i < end; ++i) {
      std::copy_n(weights.bh.data(), 3 * h, from_h.data() + (i - begin) * 3 * h);
    }
    if (const float* before = Before(begin, t)) {
      Gemm({.m = end - begin,
            .n = 3 * h,
            .k = h,
            .a = before,
            .a_row = t > 0 ? time * h : h,
            .b = weights.u.data(),
            .b_row = 3 * h,
            .c = from_h.data(),
            .c_row = 3 * h});
    }
    for (size_t i = begin; i < end; ++i) {
      const float* gx = from_x.data() + Row(i, t) * 3 * h;
      const float* gh = from_h.data() + (i - begin) * 3 * h;
      const float* before = Before(i, t);
      float* out = y.data() + Row(i, t) * h;
      for (size_t c = 0; c < h; ++c) {
        const float r = Logistic(gx[c] + gh[c]);
        const float z = Logistic(gx[h + c] + gh[h + c]);
        const float n = std::tanh(gx[2 * h + c] + r * gh[2 * h + c]);
        out[c] = (1.0F - z) * n + (before ? z * before[c] : 0.0F);
        if (!keep) continue;
        float* kept = gates.data() + Row(i, t) * 4 * h + c;
        kept[0] = r;
        kept[h] = z;
        kept[2 * h] = n;
        kept[3 * h] = gh[2 * h + c];
      }
    }
  }
}

// Fills the gradients of both pre-activations, [batch * time, 3 hidden] each, from the last frame
// to the first.
void GruRun::BackwardItems(const float* u_transposed, size_t begin, size_t end, float* d_from_x,
                           float* d_from_h) {
  const size_t h = hidden;
  const float* dy = y.grad();
  std::vector<float> carried((end - begin) *
                             h);  // d loss / d state after frame t, from later frames
  for (size_t t = time; t-- > 0;) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = Row(i, t);
      const float* kept = gates.data() + row * 4 * h;
      const float* before = Before(i, t);
      float* gx = d_from_x + row * 3 * h;
      float* gh = d_from_h + row * 3 * h;
      float* state = carried.data() + (i - begin) * h;
      for (size_t c = 0; c < h; ++c) {
        const float r = kept[c], z = kept[h + c], n = kept[2 * h + c];
        const float d = state[c] + dy[row * h + c];
        const float dn = d * (1.0F - z) * (1.0F - n * n);
        gx[c] = gh[c] = dn * kept[3 * h + c] * r * (1.0F - r);
        gx[h + c] = gh[h + c] = d * ((before ? before[c] : 0.0F) - n) * z * (1.0F - z);
        gx[2 * h + c] = dn;
        gh[2 * h + c] = dn * r;
        state[c] = d * z;
      }
    }
    Gemm({.m = end - begin,
          .n = h,
          .k = 3 * h,
          .a = d_from_h + Row(begin, t) * 3 * h,
          .a_row = time * 3 * h,
          .b = u_transposed,
          .b_row = h,
          .c = carried.data(),
          .c_row = h});
  }
  if (!start.requires_grad()) return;
  float* d_start = start.grad() + begin * h;
  for (size_t i = 0; i < carried.size(); ++i) d_start[i] += carried[i];
}

void GruRun::Backward(ThreadPool& pool) {
  const size_t h = hidden;
  std::vector<float> d_from_x(batch * time * 3 * h);
  std::vector<float> d_from_h(batch * time * 3 * h);
  const auto u_transposed = Transposed(weights.u.data(), h, 3 * h);
  if (start.requires_grad()) start.grad();  // made before threads add to it
  pool.ParallelFor(batch, ItemGrain(), [&](size_t begin, size_t end, size_t) {
    BackwardItems(u_transposed.data(), begin, end, d_from_x.data(), d_from_h.data());
  });
  const auto& [w, u, bx, bh] = weights;
  if (x.requires_grad()) {
    AddTapsInputGradient(pool, InputTaps(), d_from_x.data(), w.data(), x.grad());
  }
  if (w.requires_grad()) {
    AddTapsWeightGradient(pool, InputTaps(), x.data(), d_from_x.data(), w.grad());
  }
  if (bx.requires_grad()) AddColumnSums(d_from_x.data(), batch * time, 3 * h, bx.grad());
  if (bh.requires_grad()) AddColumnSums(d_from_h.data(), batch * time, 3 * h, bh.grad());
  if (!u.requires_grad()) return;
  // The state before frame t is the output one frame earlier; before frame 0 it is `start`.
  const Taps recurrent{.batch = batch, .time = time, .in = h, .out = 3 * h, .offsets = {-1}};
  AddTapsWeightGradient(pool, recurrent, y.data(), d_from_h.data(), u.grad());
  if (!start) return;
  Gemm(pool, {.m = h,
              .n = 3 * h,
              .k = batch,
              .a = start.data(),
              .a_row = 1,
              .a_column = h,
              .b = d_from_h.data(),
              .b_row = time * 3 * h,
              .c = u.grad(),
              .c_row = 3 * h});
}

}  // namespace

Tensor Gru(Tape& tape, const Tensor& x, const GruWeights& weights, const Tensor& start) {
  const auto& [w, u, bx, bh] = weights;
  assert(x.shape().size() == 3 && w.shape().size() == 2 && w.dim(0) == x.channels());
  assert(u.dim(1) == 3 * u.dim(0) && w.dim(1) == u.dim(1));
  assert(bx.size() == u.dim(1) && bh.size() == u.dim(1));
  assert(!start || start.size() == x.dim(0) * u.dim(0));
  auto run = std::make_shared<GruRun>(x, weights, start);
  const bool keep = tape.Wants({x, w, u, bx, bh, start});
  run->Forward(tape.pool(), keep);
  if (keep) tape.Record(run->y, [&pool = tape.pool(), run] { run->Backward(pool); });
  return run->y;
}

}  // namespace wring::train
