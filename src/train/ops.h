// Differentiable ops. Each checks its shapes with assert (they are the program's, not the input's)
// and sums in one fixed order, so that values and gradients do not depend on the number of threads.
// [..., C] means any leading dimensions; the op works on rows of C channels.
#pragma once

#include <cstdint>
#include <span>

#include "train/tensor.h"

namespace wring::train {

// ---- linear maps ----

// x [..., C] times w [C, O], plus b [O] unless absent.
Tensor Linear(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b = {});
// a [..., K] times the transpose of b [N, K]: [..., N]. Cosines when all rows have length 1.
Tensor MatMulTransposed(Tape& tape, const Tensor& a, const Tensor& b);
// x [B, T, C], w [k, C, O], b [O] or absent; with dilation d
//   out[t] = b + sum over taps j of x[t + (j - (k - 1) / 2) d] w[j],
// zeros outside the item ("same" padding). As k shifted products, without a copy of x.
Tensor Conv1d(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b, size_t dilation = 1);
// The same channel by channel: w [k, C], b [C] or absent.
Tensor DepthwiseConv1d(Tape& tape, const Tensor& x, const Tensor& w, const Tensor& b,
                       size_t dilation = 1);

// ---- element by element ----

Tensor Relu(Tape& tape, const Tensor& x);
Tensor Sigmoid(Tape& tape, const Tensor& x);
Tensor Tanh(Tape& tape, const Tensor& x);
Tensor Add(Tape& tape, const Tensor& x, const Tensor& y);  // equal shapes
Tensor Mul(Tape& tape, const Tensor& x, const Tensor& y);  // equal shapes
Tensor Scale(Tape& tape, const Tensor& x, float factor, float offset = 0);
// Outside [low, high] the gradient is 0.
Tensor Clamp(Tape& tape, const Tensor& x, float low, float high);
Tensor Pow(Tape& tape, const Tensor& x, float exponent);  // x > 0
// Zeroes each element with probability p and divides the rest by 1 - p. The draw of an element
// depends on (seed, layer, step, its index) alone.
struct DropoutKey {
  uint64_t seed = 0;
  uint32_t layer = 0, step = 0;
};
Tensor Dropout(Tape& tape, const Tensor& x, float p, const DropoutKey& key);

// ---- shape ----

Tensor Reshape(Tape& tape, const Tensor& x, Shape shape);
// [..., C] and [..., D] to [..., C + D].
Tensor ConcatChannels(Tape& tape, const Tensor& x, const Tensor& y);

// ---- over channels or time ----

// (x - mean) / sqrt(variance + epsilon) * gain + bias over the channels of each row; gain, bias
// [C].
Tensor LayerNorm(Tape& tape, const Tensor& x, const Tensor& gain, const Tensor& bias,
                 float epsilon = 1e-5F);
// Each row divided by sqrt(its sum of squares + epsilon).
Tensor L2Normalize(Tape& tape, const Tensor& x, float epsilon = 1e-12F);
// [B, T, C] to [B, 2 C]: mean, then standard deviation sqrt(variance + epsilon), over time (Snyder
// et al. 2018, "X-vectors").
Tensor MeanStdPool(Tape& tape, const Tensor& x, float epsilon = 1e-5F);

// One layer of gated recurrent units (Cho et al. 2014), in the form and order (reset, update, new)
// of PyTorch and cuDNN:
//   r = sigmoid(x Wr + bxr + h Ur + bhr), z likewise, n = tanh(x Wn + bxn + r * (h Un + bhn)),
//   h' = (1 - z) n + z h.
struct GruWeights {
  Tensor w;   // [C, 3 H]
  Tensor u;   // [H, 3 H]
  Tensor bx;  // [3 H]
  Tensor bh;  // [3 H]
};
// x [B, T, C] to [B, T, H]; `start` [B, H] is the state before the first frame, zeros when absent.
// The last frame of the output is the state to go on from.
Tensor Gru(Tape& tape, const Tensor& x, const GruWeights& weights, const Tensor& start = {});

// ---- losses, each a single value [1] ----

Tensor Mean(Tape& tape, const Tensor& x);
// Binary cross-entropy, averaged with weights: sum w (softplus(x) - target x) / sum w. Targets in
// [0, 1]; weights >= 0, all 1 when empty; 0 when they sum to 0.
Tensor BceWithLogits(Tape& tape, const Tensor& logits, std::span<const float> targets,
                     std::span<const float> weights = {});
// Mean of -log softmax(row)[label] over the rows of [..., classes] whose label is not negative.
Tensor SoftmaxCrossEntropy(Tape& tape, const Tensor& logits, std::span<const int32_t> labels);

}  // namespace wring::train
