#include "speech/audio/fft.h"

#include <cassert>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>

namespace wring::speech {
namespace {

struct Twiddles {
  const float *re1, *im1, *re2, *im2, *re3, *im3;
};

Twiddles At(const float* first, size_t quarter) {
  return {first,
          first + quarter,
          first + 2 * quarter,
          first + 3 * quarter,
          first + 4 * quarter,
          first + 5 * quarter};
}

// The first stage: neighbours are butterflies of different twiddles, and their four results lie
// side by side.
void FirstStage(size_t quarter, const Twiddles& w, const float* __restrict xr,
                const float* __restrict xi, float* __restrict yr, float* __restrict yi) {
  for (size_t p = 0; p < quarter; ++p) {
    const float ar = xr[p], br = xr[p + quarter], cr = xr[p + 2 * quarter],
                dr = xr[p + 3 * quarter];
    const float ai = xi[p], bi = xi[p + quarter], ci = xi[p + 2 * quarter],
                di = xi[p + 3 * quarter];
    const float sum_r = ar + cr, sum_i = ai + ci, dif_r = ar - cr, dif_i = ai - ci;
    const float tum_r = br + dr, tum_i = bi + di, tif_r = br - dr, tif_i = bi - di;
    const float r1 = dif_r + tif_i, i1 = dif_i - tif_r;
    const float r2 = sum_r - tum_r, i2 = sum_i - tum_i;
    const float r3 = dif_r - tif_i, i3 = dif_i + tif_r;
    yr[4 * p] = sum_r + tum_r;
    yr[4 * p + 1] = r1 * w.re1[p] - i1 * w.im1[p];
    yr[4 * p + 2] = r2 * w.re2[p] - i2 * w.im2[p];
    yr[4 * p + 3] = r3 * w.re3[p] - i3 * w.im3[p];
    yi[4 * p] = sum_i + tum_i;
    yi[4 * p + 1] = r1 * w.im1[p] + i1 * w.re1[p];
    yi[4 * p + 2] = r2 * w.im2[p] + i2 * w.re2[p];
    yi[4 * p + 3] = r3 * w.im3[p] + i3 * w.re3[p];
  }
}

// One twiddle for `stride` butterflies side by side.
inline void Butterflies(size_t stride, size_t quarter_step, const float w[6],
                        const float* __restrict xr, const float* __restrict xi,
                        float* __restrict yr, float* __restrict yi) {
  for (size_t q = 0; q < stride; ++q) {
    const float ar = xr[q], br = xr[q + quarter_step], cr = xr[q + 2 * quarter_step],
                dr = xr[q + 3 * quarter_step];
    const float ai = xi[q], bi = xi[q + quarter_step], ci = xi[q + 2 * quarter_step],
                di = xi[q + 3 * quarter_step];
    const float sum_r = ar + cr, sum_i = ai + ci, dif_r = ar - cr, dif_i = ai - ci;
    const float tum_r = br + dr, tum_i = bi + di, tif_r = br - dr, tif_i = bi - di;
    const float r1 = dif_r + tif_i, i1 = dif_i - tif_r;
    const float r2 = sum_r - tum_r, i2 = sum_i - tum_i;
    const float r3 = dif_r - tif_i, i3 = dif_i + tif_r;
    yr[q] = sum_r + tum_r;
    yi[q] = sum_i + tum_i;
    yr[q + stride] = r1 * w[0] - i1 * w[1];
    yi[q + stride] = r1 * w[1] + i1 * w[0];
    yr[q + 2 * stride] = r2 * w[2] - i2 * w[3];
    yi[q + 2 * stride] = r2 * w[3] + i2 * w[2];
    yr[q + 3 * stride] = r3 * w[4] - i3 * w[5];
    yi[q + 3 * stride] = r3 * w[5] + i3 * w[4];
  }
}

// A later stage. kStride, where it is known, lets the compiler unroll the short inner loop; 0: any
// multiple of 4.
template <size_t kStride>
void LaterStage(size_t quarter, size_t stride, const Twiddles& w, const float* xr, const float* xi,
                float* yr, float* yi) {
  if constexpr (kStride != 0) stride = kStride;
  const size_t step = quarter * stride;
  for (size_t p = 0; p < quarter; ++p) {
    const float turn[6] = {w.re1[p], w.im1[p], w.re2[p], w.im2[p], w.re3[p], w.im3[p]};
    Butterflies(stride, step, turn, xr + p * stride, xi + p * stride, yr + 4 * p * stride,
                yi + 4 * p * stride);
  }
}

void LastOfTwo(size_t half, const float* __restrict xr, const float* __restrict xi,
               float* __restrict yr, float* __restrict yi) {
  for (size_t q = 0; q < half; ++q) {
    yr[q] = xr[q] + xr[q + half];
    yr[q + half] = xr[q] - xr[q + half];
    yi[q] = xi[q] + xi[q + half];
    yi[q + half] = xi[q] - xi[q + half];
  }
}

// Between n/2 complex points and the bins of n real ones; both ways are the same but for the sign
// of the turn. With b the conjugate of z[m - k]: out[k] = (z[k] + b) / 2 + turn (z[k] - b).
template <int kSign>
void Untangle(size_t m, const float* __restrict turn_re, const float* __restrict turn_im,
              const float* __restrict xr, const float* __restrict xi, float* __restrict yr,
              float* __restrict yi) {
  for (size_t k = 1; k < m; ++k) {
    const float br = xr[m - k], bi = -xi[m - k];
    const float dif_r = xr[k] - br, dif_i = xi[k] - bi;
    const float tr = turn_re[k], ti = kSign * turn_im[k];
    yr[k] = 0.5F * (xr[k] + br) + (tr * dif_r - ti * dif_i);
    yi[k] = 0.5F * (xi[k] + bi) + (tr * dif_i + ti * dif_r);
  }
}

// At least `count` floats of this thread's own, until its next call.
float* Scratch(size_t count) {
  thread_local std::vector<float> buffer;
  if (buffer.size() < count) buffer.resize(count);
  return buffer.data();
}

}  // namespace

ComplexFft::ComplexFft(size_t n) : n_(n) {
  assert(n != 0 && (n & (n - 1)) == 0);
  for (size_t length = n; length >= 4; length /= 4) {
    const size_t quarter = length / 4;
    const size_t first = twiddles_.size();
    twiddles_.resize(first + 6 * quarter);
    for (size_t p = 0; p < quarter; ++p) {
      for (size_t power = 1; power <= 3; ++power) {
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(power * p) / static_cast<double>(length);
        float* w = twiddles_.data() + first + 2 * (power - 1) * quarter + p;
        w[0] = static_cast<float>(std::cos(angle));
        w[quarter] = static_cast<float>(std::sin(angle));
      }
    }
  }
}

ComplexFft::Parts ComplexFft::Transform(Parts x, Parts y) const {
  const float* w = twiddles_.data();
  size_t stride = 1, length = n_;
  for (; length >= 4; length /= 4, stride *= 4) {
    const size_t quarter = length / 4;
    const Twiddles stage = At(w, quarter);
    if (stride == 1) {
      FirstStage(quarter, stage, x.re, x.im, y.re, y.im);
    } else if (stride == 4) {
      LaterStage<4>(quarter, stride, stage, x.re, x.im, y.re, y.im);
    } else if (stride == 16) {
      LaterStage<16>(quarter, stride, stage, x.re, x.im, y.re, y.im);
    } else {
      LaterStage<0>(quarter, stride, stage, x.re, x.im, y.re, y.im);
    }
    w += 6 * quarter;
    std::swap(x, y);
  }
  if (length == 2) {
    LastOfTwo(stride, x.re, x.im, y.re, y.im);
    std::swap(x, y);
  }
  return x;
}

void ComplexFft::Forward(float* re, float* im) const {
  float* scratch = Scratch(2 * n_);
  const Parts out = Transform({re, im}, {scratch, scratch + n_});
  if (out.re == re) return;
  std::memcpy(re, out.re, n_ * sizeof(float));
  std::memcpy(im, out.im, n_ * sizeof(float));
}

void ComplexFft::Inverse(float* re, float* im) const {
  Forward(im, re);
  const float scale = 1.0F / static_cast<float>(n_);
  for (size_t i = 0; i < n_; ++i) {
    re[i] *= scale;
    im[i] *= scale;
  }
}

Fft::Fft(size_t n) : half_(n / 2), turn_re_(n / 2), turn_im_(n / 2) {
  assert(n >= 2);
  for (size_t k = 0; k < n / 2; ++k) {
    const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    turn_re_[k] = static_cast<float>(0.5 * std::sin(angle));
    turn_im_[k] = static_cast<float>(-0.5 * std::cos(angle));
  }
}

void Fft::Forward(const float* real_in, float* re, float* im) const {
  const size_t m = half_.size();
  float* scratch = Scratch(4 * m);
  float* __restrict even = scratch, * __restrict odd = scratch + m;
  for (size_t k = 0; k < m; ++k) {
    even[k] = real_in[2 * k];
    odd[k] = real_in[2 * k + 1];
  }
  const auto z = half_.Transform({even, odd}, {scratch + 2 * m, scratch + 3 * m});
  re[0] = z.re[0] + z.im[0];
  re[m] = z.re[0] - z.im[0];
  im[0] = im[m] = 0;
  Untangle<1>(m, turn_re_.data(), turn_im_.data(), z.re, z.im, re, im);
}

void Fft::Inverse(const float* re, const float* im, float* real_out) const {
  const size_t m = half_.size();
  float* scratch = Scratch(4 * m);
  float *even = scratch, *odd = scratch + m;
  even[0] = 0.5F * (re[0] + re[m]);
  odd[0] = 0.5F * (re[0] - re[m]);
  Untangle<-1>(m, turn_re_.data(), turn_im_.data(), re, im, even, odd);
  const auto z = half_.Transform({odd, even}, {scratch + 2 * m, scratch + 3 * m});
  const float scale = 1.0F / static_cast<float>(m);
  const float* __restrict zr = z.im, * __restrict zi = z.re;
  float* __restrict out = real_out;
  for (size_t k = 0; k < m; ++k) {
    out[2 * k] = scale * zr[k];
    out[2 * k + 1] = scale * zi[k];
  }
}

}  // namespace wring::speech
