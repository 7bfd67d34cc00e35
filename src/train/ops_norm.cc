#include <cmath>
#include <vector>

#include "train/ops.h"
#include "train/taps.h"

namespace wring::train {
namespace {

size_t RowsOf(size_t floats) { return 8192 / floats + 1; }  // a chunk worth handing over

}  // namespace

Tensor LayerNorm(Tape& tape, const Tensor& x, const Tensor& gain, const Tensor& bias,
                 float epsilon) {
  const size_t n = x.channels();
  assert(gain.size() == n && bias.size() == n);
  Tensor y(x.shape());
  auto normal = std::make_shared<std::vector<float>>(x.size());   // (x - mean) / deviation
  auto inverse = std::make_shared<std::vector<float>>(x.rows());  // 1 / deviation
  const auto count = static_cast<float>(n);
  tape.pool().ParallelFor(x.rows(), RowsOf(n), [&](size_t begin, size_t end, size_t) {
    for (size_t r = begin; r < end; ++r) {
      const float* in = x.data() + r * n;
      float sum = 0;
      for (size_t c = 0; c < n; ++c) sum += in[c];
      const float mean = sum / count;
      float squares = 0;
      for (size_t c = 0; c < n; ++c) squares += (in[c] - mean) * (in[c] - mean);
      const float factor = 1.0F / std::sqrt(squares / count + epsilon);
      (*inverse)[r] = factor;
      for (size_t c = 0; c < n; ++c) {
        const float v = (in[c] - mean) * factor;
        (*normal)[r * n + c] = v;
        y.data()[r * n + c] = v * gain.data()[c] + bias.data()[c];
      }
    }
  });
  if (!tape.Wants({x, gain, bias})) return y;
  tape.Record(y, [&pool = tape.pool(), x, gain, bias, y, normal, inverse, n, count] {
    const float* dy = y.grad();
    if (x.requires_grad()) {
      float* dx = x.grad();
      pool.ParallelFor(x.rows(), RowsOf(n), [&](size_t begin, size_t end, size_t) {
        for (size_t r = begin; r < end; ++r) {
          const float* v = normal->data() + r * n;
          float sum = 0, along = 0;
          for (size_t c = 0; c < n; ++c) {
            const float g = dy[r * n + c] * gain.data()[c];
            sum += g;
            along += g * v[c];
          }
          for (size_t c = 0; c < n; ++c) {
            const float g = dy[r * n + c] * gain.data()[c];
            dx[r * n + c] += (*inverse)[r] * (g - sum / count - v[c] * along / count);
          }
        }
      });
    }
    if (bias.requires_grad()) AddColumnSums(dy, y.rows(), n, bias.grad());
    if (gain.requires_grad()) {
      for (size_t i = 0; i < y.size(); ++i) (*normal)[i] *= dy[i];
      AddColumnSums(normal->data(), y.rows(), n, gain.grad());
    }
  });
  return y;
}

Tensor L2Normalize(Tape& tape, const Tensor& x, float epsilon) {
  const size_t n = x.channels();
  Tensor y(x.shape());
  std::vector<float> inverse(x.rows());
  for (size_t r = 0; r < x.rows(); ++r) {
    const float* in = x.data() + r * n;
    float squares = 0;
    for (size_t c = 0; c < n; ++c) squares += in[c] * in[c];
    inverse[r] = 1.0F / std::sqrt(squares + epsilon);
    for (size_t c = 0; c < n; ++c) y.data()[r * n + c] = in[c] * inverse[r];
  }
  if (!tape.Wants({x})) return y;
  tape.Record(y, [x, y, inverse = std::move(inverse), n] {
    for (size_t r = 0; r < x.rows(); ++r) {
      const float* out = y.data() + r * n;
      const float* dy = y.grad() + r * n;
      float along = 0;
      for (size_t c = 0; c < n; ++c) along += dy[c] * out[c];
      for (size_t c = 0; c < n; ++c) x.grad()[r * n + c] += inverse[r] * (dy[c] - along * out[c]);
    }
  });
  return y;
}

Tensor MeanStdPool(Tape& tape, const Tensor& x, float epsilon) {
  assert(x.shape().size() == 3);
  const size_t batch = x.dim(0), time = x.dim(1), n = x.channels();
  const auto count = static_cast<float>(time);
  Tensor y({batch, 2 * n});
  tape.pool().ParallelFor(batch, RowsOf(time * n), [&](size_t begin, size_t end, size_t) {
    for (size_t b = begin; b < end; ++b) {
      const float* in = x.data() + b * time * n;
      float* mean = y.data() + b * 2 * n;
      float* deviation = mean + n;
      for (size_t t = 0; t < time; ++t) {
        for (size_t c = 0; c < n; ++c) mean[c] += in[t * n + c];
      }
      for (size_t c = 0; c < n; ++c) mean[c] /= count;
      for (size_t t = 0; t < time; ++t) {
        for (size_t c = 0; c < n; ++c) {
          const float d = in[t * n + c] - mean[c];
          deviation[c] += d * d;
        }
      }
      for (size_t c = 0; c < n; ++c) deviation[c] = std::sqrt(deviation[c] / count + epsilon);
    }
  });
  if (!tape.Wants({x})) return y;
  tape.Record(y, [&pool = tape.pool(), x, y, batch, time, n, count] {
    float* dx = x.grad();
    const float* dy = y.grad();
    pool.ParallelFor(batch, RowsOf(time * n), [&](size_t begin, size_t end, size_t) {
      for (size_t b = begin; b < end; ++b) {
        const float* mean = y.data() + b * 2 * n;
        const float* g = dy + b * 2 * n;
        for (size_t t = 0; t < time; ++t) {
          const size_t at = (b * time + t) * n;
          for (size_t c = 0; c < n; ++c) {
            // d deviation / d x[t] = (x[t] - mean) / (time * deviation): the mean's own share is 0.
            const float slope = (x.data()[at + c] - mean[c]) / mean[n + c];
            dx[at + c] += (g[c] + g[n + c] * slope) / count;
          }
        }
      }
    });
  });
  return y;
}

}  // namespace wring::train
