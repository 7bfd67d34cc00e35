// Convolution with a fixed impulse response by overlap-add (Oppenheim & Schafer, "Discrete-Time
// Signal Processing", 8.7): blocks of B samples, padded to a transform of N >= B + R - 1 points,
// are multiplied by the response's spectrum and added where they belong. A block of zeros adds
// exact zeros.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "speech/audio/fft.h"

namespace wring::speech {

class Convolver {
 public:
  // Any length; an empty response adds nothing.
  explicit Convolver(std::span<const float> response);
  size_t response_size() const { return response_; }
  size_t block_size() const { return fft_.size() - response_ + 1; }
  // Adds the convolution to `out`, which holds in.size() + response_size() - 1 values (none where
  // either is empty) and does not overlap `in`. May be called by several threads at once.
  void Apply(std::span<const float> in, std::span<float> out_accumulate) const;

 private:
  size_t response_;
  Fft fft_;
  std::vector<float> re_, im_;
};

}  // namespace wring::speech
