// The executor's ops that work on each row by itself: embeddings, norms, activations, pooling, selection.
#include <algorithm>
#include <cmath>

#include "base/touched.h"
#include "model/cpu/cpu_executor.h"

namespace wring {

void CpuExecutor::Embed(const Op& op, const Step& step) {
  const PackedMatrix& m = weights_.matrix(op.weight);
  const uint64_t n = stride(op.out);
  threads_.ParallelFor(rows_, 8, [&](size_t begin, size_t end, size_t) {
    std::vector<float> row(op.add_to_out ? n : 0, 0.0F);
    for (size_t r = begin; r < end; ++r) {
      float* out = slot(op.out) + r * n;
      uint32_t index = 0;
      if (op.index == RowIndex::kToken) index = static_cast<uint32_t>(step.rows[r].token);
      if (op.index == RowIndex::kPosition) index = step.rows[r].position;
      m.DequantRow(index, op.add_to_out ? row.data() : out);
      if (op.add_to_out) kernels_.elementwise.add(out, row.data(), n);
      if (op.value != 1) {
        for (uint64_t i = 0; i < n; ++i) out[i] *= op.value;
      }
    }
  });
}

void CpuExecutor::Norm(const Op& op) {
  const uint64_t in = stride(op.in);
  const auto& k = kernels_.elementwise;
  threads_.ParallelFor(
      RowsOf(op.in), CeilDiv<uint64_t>(kSerialWork, in * 2), [&](size_t b, size_t e, size_t) {
        for (size_t r = b; r < e; ++r) {
          const float* x = slot(op.in) + r * in;
          float* out = slot(op.out) + r * in;
          if (op.kind == OpKind::kRmsNorm) {
            k.rms_norm(x, weights_.vector(op.weight), spec_.norm_eps, spec_.hidden, out);
          } else {
            k.layer_norm(x, weights_.vector(op.weight), weights_.vector(op.bias), spec_.norm_eps,
                         spec_.hidden, out);
          }
        }
      });
}

void CpuExecutor::HeadNorm(const Op& op) {
  const uint64_t in = stride(op.in);
  const uint32_t heads = op.in == Slot::kQ ? spec_.heads : spec_.kv_heads;
  const uint32_t n = spec_.head_dim;
  threads_.ParallelFor(rows_, CeilDiv<uint64_t>(kSerialWork, in * 4),
                       [&](size_t b, size_t e, size_t) {
                         // The kernel works on whole vectors, and a head may end within one.
                         alignas(64) float head[1024];
                         std::fill_n(head, RoundUp<size_t>(n, 16), 0.0F);
                         for (size_t r = b; r < e; ++r) {
                           for (uint32_t h = 0; h < heads; ++h) {
                             float* at = slot(op.in) + r * in + h * n;
                             std::copy_n(at, n, head);
                             WRING_TOUCHES(kIn, at, n * sizeof(float));
                             WRING_TOUCHES(kOut, at, n * sizeof(float));
                             WRING_TOUCHES(kWeights, weights_.vector(op.weight), n * sizeof(float));
                             const touched::Pause pause;  // the copy is no memory of the model's
                             kernels_.elementwise.rms_norm(head, weights_.vector(op.weight),
                                                           spec_.norm_eps, n, head);
                             std::copy_n(head, n, at);
                           }
                         }
                       });
}

void CpuExecutor::Activate(const Op& op) {
  const uint64_t n = stride(op.out);
  const auto& k = kernels_.elementwise;
  threads_.ParallelFor(rows_, CeilDiv<uint64_t>(kSerialWork, n * 8),
                       [&](size_t b, size_t e, size_t) {
                         float* x = slot(op.out) + b * n;
                         const float* y = op.in2 == Slot::kNone ? nullptr : slot(op.in2) + b * n;
                         const size_t count = (e - b) * n;
                         switch (op.kind) {
                           case OpKind::kSiluMul: return k.silu_mul(x, y, count);
                           case OpKind::kGeluMul: return k.gelu_mul(x, y, count);
                           case OpKind::kGelu: return k.gelu(x, count);
                           default: return k.add(x, y, count);
                         }
                       });
}

void CpuExecutor::SoftCap(const Op& op) {
  const uint64_t n = stride(op.out);
  threads_.ParallelFor(
      n / 16, CeilDiv<uint64_t>(kSerialWork, 128), [&](size_t b, size_t e, size_t) {
        for (uint32_t r = 0; r < selected_; ++r) {
          kernels_.elementwise.soft_cap(logits_ + r * n + b * 16, op.value, (e - b) * 16);
        }
      });
}

// Sums go over the rows of a sequence in order.
void CpuExecutor::Pool(const Op& op, const Step& step) {
  const uint64_t n = stride(op.in);
  for (uint32_t first = 0; first < rows_;) {
    uint32_t end = first;
    while (end < rows_ && step.rows[end].sequence == step.rows[first].sequence) ++end;
    const int32_t to = step.rows[end - 1].sampling_slot;
    if (to >= 0) {
      float* out = logits_ + static_cast<uint32_t>(to) * n;
      const uint32_t count = spec_.pooling == Pooling::kCls ? 1 : end - first;
      std::copy_n(slot(op.in) + first * n, n, out);
      for (uint32_t r = 1; r < count; ++r) {
        kernels_.elementwise.add(out, slot(op.in) + (first + r) * n, n);
      }
      double squares = 0;
      for (uint32_t i = 0; i < spec_.hidden; ++i) {
        out[i] /= static_cast<float>(count);
        squares += static_cast<double>(out[i]) * out[i];
      }
      const auto scale = static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
      for (uint32_t i = 0; spec_.normalize && i < spec_.hidden; ++i) out[i] *= scale;
    }
    first = end;
  }
}

void CpuExecutor::Select(const Op& op, const Step& step) {
  for (uint32_t r = 0; r < rows_; ++r) {
    const int32_t to = step.rows[r].sampling_slot;
    if (to < 0) continue;
    assert(static_cast<uint32_t>(to) < selected_);
    WRING_TOUCHES(kIn, slot(op.in) + r * stride(op.in), stride(op.in) * sizeof(float));
    WRING_TOUCHES(kOut, slot(op.out) + static_cast<uint32_t>(to) * stride(op.out),
                  stride(op.out) * sizeof(float));
    std::copy_n(slot(op.in) + r * stride(op.in), stride(op.in),
                slot(op.out) + static_cast<uint32_t>(to) * stride(op.out));
  }
}

}  // namespace wring
