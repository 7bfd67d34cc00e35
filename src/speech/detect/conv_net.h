// The network that both detectors are: log-mel frames through a stack of dilated temporal convolutions (Bai, Kolter and
// Koltun 2018), the same number of frames out. Each block is a depthwise convolution of 5 taps, a linear layer, and a
// sum with its input; the dilation doubles from block to block, so L blocks see 2 (2^L - 1) frames to either side.
#pragma once

#include <string>
#include <vector>

#include "train/ops.h"
#include "train/parameters.h"

namespace wring::speech {

struct ConvNetShape {
  size_t inputs = 40;
  size_t channels = 64;
  size_t blocks = 7;
  size_t dilations = 7;  // after so many blocks the dilation begins at 1 again
  // Frames on either side that a frame's output depends on.
  size_t reach() const {
    size_t sum = 0;
    for (size_t i = 0; i < blocks; ++i) sum += size_t{2} << (i % dilations);
    return sum;
  }
};

class ConvNet {
 public:
  // Adds its parameters to `parameters`, which outlives it.
  ConvNet(const ConvNetShape& shape, train::Parameters* parameters);
  // [B, T, inputs] to [B, T, channels].
  train::Tensor Run(train::Tape& tape, const train::Tensor& frames) const;
  const ConvNetShape& shape() const { return shape_; }

 private:
  struct Block {
    train::Tensor taps, taps_bias, mix, mix_bias, gain, bias;
  };
  ConvNetShape shape_;
  train::Tensor in_, in_bias_, gain_, bias_;
  std::vector<Block> blocks_;
};

}  // namespace wring::speech
