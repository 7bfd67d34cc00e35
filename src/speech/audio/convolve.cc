#include "speech/audio/convolve.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

namespace wring::speech {
namespace {

// The transform of least work for each new sample: 2 transforms of 2.5 N log2 N operations and some
// 14 N for the product and the passes between, for N - R + 1 samples. Past 2^15 points the buffers
// leave the nearest caches, so no larger one is taken unless the response asks for it.
size_t BestTransform(size_t response) {
  const size_t least = std::max<size_t>(std::bit_ceil(2 * response), 64);
  size_t best = least;
  double best_cost = INFINITY;
  for (size_t n = least; n <= std::max<size_t>(least, size_t{1} << 15); n *= 2) {
    const auto points = static_cast<double>(n);
    const double cost =
        points * (5 * std::log2(points) + 14) / static_cast<double>(n - response + 1);
    if (cost >= best_cost) continue;
    best_cost = cost;
    best = n;
  }
  return best;
}

void Multiply(size_t count, const float* __restrict hr, const float* __restrict hi,
              float* __restrict xr, float* __restrict xi) {
  for (size_t k = 0; k < count; ++k) {
    const float r = xr[k], i = xi[k];
    xr[k] = r * hr[k] - i * hi[k];
    xi[k] = r * hi[k] + i * hr[k];
  }
}

void Add(size_t count, const float* __restrict from, float* __restrict to) {
  for (size_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

Convolver::Convolver(std::span<const float> response)
    : response_(response.size()),
      fft_(BestTransform(response.size())),
      re_(fft_.bins()),
      im_(fft_.bins()) {
  std::vector<float> padded(fft_.size());
  std::copy(response.begin(), response.end(), padded.begin());
  fft_.Forward(padded.data(), re_.data(), im_.data());
}

void Convolver::Apply(std::span<const float> in, std::span<float> out_accumulate) const {
  if (in.empty() || response_ == 0) return;
  assert(out_accumulate.size() == in.size() + response_ - 1);
  const size_t n = fft_.size(), bins = fft_.bins(), block = block_size();
  thread_local std::vector<float> scratch;
  if (scratch.size() < n + 2 * bins) scratch.resize(n + 2 * bins);
  float *padded = scratch.data(), *re = padded + n, *im = re + bins;
  for (size_t start = 0; start < in.size(); start += block) {
    const size_t count = std::min(block, in.size() - start);
    std::copy_n(in.data() + start, count, padded);
    std::fill(padded + count, padded + n, 0.0F);
    fft_.Forward(padded, re, im);
    Multiply(bins, re_.data(), im_.data(), re, im);
    fft_.Inverse(re, im, padded);
    Add(count + response_ - 1, padded, out_accumulate.data() + start);
  }
}

}  // namespace wring::speech
