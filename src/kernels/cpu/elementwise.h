// Row-wise operations on the CPU. Rows are padded with zeros to whole vectors of 16 floats and the
// kernels read and write whole vectors; `n` is the true length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/linear.h"

namespace wring::cpu {

struct ElementwiseKernels {
  // out = x / sqrt(mean(x^2) + eps) * weight
  void (*rms_norm)(const float* x, const float* weight, float eps, size_t n, float* out) = nullptr;
  // out = (x - mean) / sqrt(variance + eps) * weight + bias
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, size_t n,
                     float* out) = nullptr;
  // gate = silu(gate) * up; gelu in its tanh form
  void (*silu_mul)(float* gate, const float* up, size_t n) = nullptr;
  void (*gelu_mul)(float* gate, const float* up, size_t n) = nullptr;
  // x = x / 2 * (1 + erf(x / sqrt 2))
  void (*gelu)(float* x, size_t n) = nullptr;
  void (*add)(float* x, const float* y, size_t n) = nullptr;
  // x = cap * tanh(x / cap)
  void (*soft_cap)(float* x, float cap, size_t n) = nullptr;
  // Rotates one head: pairs (i, i + half), angles given as cos and sin [half].
  void (*rope)(float* head, const float* cos, const float* sin, size_t half) = nullptr;
  // Quantises `tile` rows (x[r] has cols floats) as one activation tile, see linear.h. Returns nothing;
  // values that are not finite give codes of 0 and a scale that carries the fault on.
  void (*quantize_tile)(const float* const* x, uint32_t tile, uint32_t cols, int8_t* q,
                        float* scale, float* sum, int32_t* isum) = nullptr;
  // out[i] = the first word of Philox 4x32-10 at counter (c0, c1, c2, first + i) under `key` (base/rng.h).
  void (*philox)(uint64_t key, const uint32_t counter[3], uint32_t first, size_t n,
                 uint32_t* out) = nullptr;
  // Maximum of x, and sum of exp(x - max) in a fixed order.
  void (*max_sum_exp)(const float* x, size_t n, float* max, float* sum) = nullptr;
};

}  // namespace wring::cpu
