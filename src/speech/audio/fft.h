// Discrete Fourier transforms of 2^k points in float32: X[k] = sum over j of x[j] e^(-2 pi i jk /
// n). The inverse divides by n, so Inverse(Forward(x)) is x to about 1e-7 of its largest value.
//
// Stockham's autosort form in radix 4 (Van Loan 1992, "Computational Frameworks for the FFT", 1.7):
// stages go from one buffer to another, no bit reversal, and every inner loop runs over neighbours
// in memory. Real and imaginary parts lie in arrays of their own, so the compiler vectorises the
// loops for any x86-64; the sums are always taken in the same order, so the bits depend neither on
// the machine nor on the number of threads. Twiddles are made in double.
//
// Objects are const after construction and may be shared by threads; the buffers between stages
// belong to the thread.
#pragma once

#include <cstddef>
#include <vector>

namespace wring::speech {

class ComplexFft {
 public:
  // `n` is a power of two, from 1.
  explicit ComplexFft(size_t n);
  size_t size() const { return n_; }
  // In place; `re` and `im` hold n values each and do not overlap.
  void Forward(float* re, float* im) const;
  void Inverse(float* re, float* im) const;

  struct Parts {
    float* re;
    float* im;
  };
  // Forward without the copy back: the result lies in the one of the two that is returned, the
  // other is overwritten. With the parts of both exchanged it is n times the inverse, parts
  // exchanged.
  Parts Transform(Parts data, Parts other) const;

 private:
  size_t n_;
  // A radix-4 stage of length L takes 6 runs of L/4: real and imaginary parts of w^p, w^2p and
  // w^3p, w = e^(-2 pi i/L).
  std::vector<float> twiddles_;
};

// A real signal of n points and its n/2 + 1 bins, by a complex transform of n/2 points.
class Fft {
 public:
  // `n` is a power of two, from 2.
  explicit Fft(size_t n);
  size_t size() const { return 2 * half_.size(); }
  size_t bins() const { return half_.size() + 1; }
  // im[0] and im[n/2] come out 0. Inputs and outputs do not overlap.
  void Forward(const float* real_in, float* re, float* im) const;
  // im[0] and im[n/2] are not read.
  void Inverse(const float* re, const float* im, float* real_out) const;

 private:
  ComplexFft half_;
  std::vector<float> turn_re_, turn_im_;  // -i/2 e^(-2 pi i k / n)
};

}  // namespace wring::speech
