#include "speech/detect/conv_net.h"

#include "base/result.h"

namespace wring::speech {

using train::Init;
using train::Tensor;

ConvNet::ConvNet(const ConvNetShape& s, train::Parameters* p)
    : shape_(s),
      in_(p->Add("in.weight", {s.inputs, s.channels}, Init::kXavier)),
      in_bias_(p->Add("in.bias", {s.channels}, Init::kZero)),
      gain_(p->Add("in.gain", {s.channels}, Init::kOne)),
      bias_(p->Add("in.shift", {s.channels}, Init::kZero)) {
  for (size_t i = 0; i < s.blocks; ++i) {
    const auto name = [&](const char* part) { return fmt::format("block{}.{}", i, part); };
    Block b;
    b.taps = p->Add(name("taps"), {5, s.channels}, Init::kXavier);
    b.taps_bias = p->Add(name("taps_bias"), {s.channels}, Init::kZero);
    b.mix = p->Add(name("mix"), {s.channels, s.channels}, Init::kHe);
    b.mix_bias = p->Add(name("mix_bias"), {s.channels}, Init::kZero);
    b.gain = p->Add(name("gain"), {s.channels}, Init::kOne);
    b.bias = p->Add(name("shift"), {s.channels}, Init::kZero);
    blocks_.push_back(std::move(b));
  }
}

Tensor ConvNet::Run(train::Tape& tape, const Tensor& frames) const {
  Tensor x = train::LayerNorm(tape, train::Linear(tape, frames, in_, in_bias_), gain_, bias_);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& b = blocks_[i];
    Tensor y =
        train::DepthwiseConv1d(tape, x, b.taps, b.taps_bias, size_t{1} << (i % shape_.dilations));
    y = train::Relu(tape, train::Linear(tape, y, b.mix, b.mix_bias));
    x = train::LayerNorm(tape, train::Add(tape, x, y), b.gain, b.bias);
  }
  return x;
}

}  // namespace wring::speech
