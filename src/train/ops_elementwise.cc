#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/rng.h"
#include "train/ops.h"

namespace wring::train {
namespace {

constexpr size_t kGrain = 8192;  // elements: some 10 us of a loop with exp

// Calls fn(i) for all i < n.
template <class Fn>
void ForEach(ThreadPool& pool, size_t n, const Fn& fn) {
  pool.ParallelFor(n, kGrain, [&](size_t begin, size_t end, size_t) {
    for (size_t i = begin; i < end; ++i) fn(i);
  });
}

// y = f(x); slope(x, y) = dy/dx.
template <class F, class Slope>
Tensor Unary(Tape& tape, const Tensor& x, const F& f, const Slope& slope) {
  Tensor y(x.shape());
  ForEach(tape.pool(), x.size(),
          [in = x.data(), out = y.data(), &f](size_t i) { out[i] = f(in[i]); });
  if (!tape.Wants({x})) return y;
  tape.Record(y, [&pool = tape.pool(), x, y, slope] {
    ForEach(pool, x.size(),
            [in = x.data(), out = y.data(), dx = x.grad(), dy = y.grad(), &slope](size_t i) {
              dx[i] += dy[i] * slope(in[i], out[i]);
            });
  });
  return y;
}

}  // namespace

Tensor Relu(Tape& tape, const Tensor& x) {
  return Unary(
      tape, x, [](float v) { return v > 0 ? v : 0.0F; },
      [](float v, float) { return v > 0 ? 1.0F : 0.0F; });
}

Tensor Sigmoid(Tape& tape, const Tensor& x) {
  return Unary(
      tape, x, [](float v) { return 1.0F / (1.0F + std::exp(-v)); },
      [](float, float y) { return y * (1.0F - y); });
}

Tensor Tanh(Tape& tape, const Tensor& x) {
  return Unary(
      tape, x, [](float v) { return std::tanh(v); }, [](float, float y) { return 1.0F - y * y; });
}

Tensor Scale(Tape& tape, const Tensor& x, float factor, float offset) {
  return Unary(
      tape, x, [=](float v) { return v * factor + offset; }, [=](float, float) { return factor; });
}

Tensor Clamp(Tape& tape, const Tensor& x, float low, float high) {
  assert(low <= high);
  return Unary(
      tape, x, [=](float v) { return std::clamp(v, low, high); },
      [=](float v, float) { return v >= low && v <= high ? 1.0F : 0.0F; });
}

Tensor Pow(Tape& tape, const Tensor& x, float exponent) {
  return Unary(
      tape, x, [=](float v) { return std::pow(v, exponent); },
      [=](float v, float y) { return exponent * y / v; });
}

Tensor Add(Tape& tape, const Tensor& x, const Tensor& y) {
  assert(x.shape() == y.shape());
  Tensor out(x.shape());
  ForEach(tape.pool(), x.size(),
          [a = x.data(), b = y.data(), to = out.data()](size_t i) { to[i] = a[i] + b[i]; });
  if (!tape.Wants({x, y})) return out;
  tape.Record(out, [&pool = tape.pool(), x, y, out] {
    for (const Tensor& input : {x, y}) {
      if (!input.requires_grad()) continue;
      ForEach(pool, out.size(),
              [to = input.grad(), from = out.grad()](size_t i) { to[i] += from[i]; });
    }
  });
  return out;
}

Tensor Mul(Tape& tape, const Tensor& x, const Tensor& y) {
  assert(x.shape() == y.shape());
  Tensor out(x.shape());
  ForEach(tape.pool(), x.size(),
          [a = x.data(), b = y.data(), to = out.data()](size_t i) { to[i] = a[i] * b[i]; });
  if (!tape.Wants({x, y})) return out;
  tape.Record(out, [&pool = tape.pool(), x, y, out] {
    const auto add = [&](const Tensor& input, const Tensor& other) {
      if (!input.requires_grad()) return;
      ForEach(pool, out.size(),
              [to = input.grad(), from = out.grad(), by = other.data()](size_t i) {
                to[i] += from[i] * by[i];
              });
    };
    add(x, y);
    add(y, x);
  });
  return out;
}

Tensor Dropout(Tape& tape, const Tensor& x, float p, const DropoutKey& key) {
  assert(p >= 0 && p < 1);
  if (!tape.recording() || p == 0) return x;
  Tensor factors(x.shape());
  const float kept = 1.0F / (1.0F - p);
  // One call of Philox gives four elements; no chunk cuts four.
  tape.pool().ParallelFor(
      CeilDiv<size_t>(x.size(), 4), kGrain / 4, [&](size_t begin, size_t end, size_t) {
        for (size_t block = begin; block < end; ++block) {
          const auto words =
              Philox({static_cast<uint32_t>(block), key.step, 0x64726f70U /* "drop" */, key.layer},
                     key.seed);
          for (size_t i = block * 4; i < std::min(block * 4 + 4, x.size()); ++i) {
            factors.data()[i] = UniformFrom(words[i % 4]) < static_cast<double>(p) ? 0.0F : kept;
          }
        }
      });
  return Mul(tape, x, factors);
}

Tensor Reshape(Tape& tape, const Tensor& x, Shape shape) {
  assert(Elements(shape) == x.size());
  Tensor y(std::move(shape), std::vector<float>(x.values().begin(), x.values().end()));
  if (!tape.Wants({x})) return y;
  tape.Record(y, [x, y] {
    float* dx = x.grad();
    for (size_t i = 0; i < x.size(); ++i) dx[i] += y.grad()[i];
  });
  return y;
}

Tensor ConcatChannels(Tape& tape, const Tensor& x, const Tensor& y) {
  assert(x.rows() == y.rows() && x.shape().size() == y.shape().size());
  Shape shape = x.shape();
  shape.back() += y.channels();
  Tensor out(std::move(shape));
  for (size_t r = 0; r < x.rows(); ++r) {
    float* to = out.data() + r * out.channels();
    std::copy_n(x.data() + r * x.channels(), x.channels(), to);
    std::copy_n(y.data() + r * y.channels(), y.channels(), to + x.channels());
  }
  if (!tape.Wants({x, y})) return out;
  tape.Record(out, [x, y, out] {
    const auto add = [&](const Tensor& input, size_t first) {
      if (!input.requires_grad()) return;
      float* to = input.grad();
      for (size_t r = 0; r < input.rows(); ++r) {
        const float* from = out.grad() + r * out.channels() + first;
        for (size_t c = 0; c < input.channels(); ++c) *to++ += from[c];
      }
    };
    add(x, 0);
    add(y, x.channels());
  });
  return out;
}

}  // namespace wring::train
