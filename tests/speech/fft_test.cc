// Transforms and convolution beside their definitions in double.
#include "speech/audio/fft.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <thread>

#include "base/rng.h"
#include "speech/audio/convolve.h"

namespace wring::speech {
namespace {

std::vector<float> Noise(size_t count, uint64_t seed) {
  std::vector<float> x(count);
  for (size_t i = 0; i < count; ++i) {
    x[i] = static_cast<float>(2 * Uniform(seed, static_cast<uint32_t>(i), 0, Draw::kTest, 0) - 1);
  }
  return x;
}

std::complex<double> Bin(const std::vector<std::complex<double>>& x, size_t k) {
  const size_t n = x.size();
  std::complex<double> sum = 0;
  for (size_t j = 0; j < n; ++j) {
    sum += x[j] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(j * k % n) /
                                      static_cast<double>(n));
  }
  return sum;
}

TEST(Fft, RealBinsAreThoseOfTheDefinition) {
  for (size_t n = 2; n <= 2048; n *= 2) {
    const auto x = Noise(n, n);
    const std::vector<std::complex<double>> exact(x.begin(), x.end());
    std::vector<float> re(n / 2 + 1, NAN), im(n / 2 + 1, NAN);
    Fft(n).Forward(x.data(), re.data(), im.data());
    const double tolerance = 3e-7 * std::sqrt(static_cast<double>(n)) * std::log2(2.0 * n);
    for (size_t k = 0; k <= n / 2; ++k) {
      const auto want = Bin(exact, k);
      EXPECT_NEAR(re[k], want.real(), tolerance) << n << " bin " << k;
      EXPECT_NEAR(im[k], want.imag(), tolerance) << n << " bin " << k;
    }
  }
}

TEST(Fft, RealRoundTripGivesTheSamplesBack) {
  for (size_t n = 2; n <= 65536; n *= 2) {
    const auto x = Noise(n, n + 1);
    std::vector<float> re(n / 2 + 1), im(n / 2 + 1), back(n, NAN);
    const Fft fft(n);
    EXPECT_EQ(fft.size(), n);
    EXPECT_EQ(fft.bins(), n / 2 + 1);
    fft.Forward(x.data(), re.data(), im.data());
    EXPECT_EQ(im[0], 0);
    EXPECT_EQ(im[n / 2], 0);
    fft.Inverse(re.data(), im.data(), back.data());
    for (size_t i = 0; i < n; ++i) ASSERT_NEAR(back[i], x[i], 2e-6) << n << " sample " << i;
  }
}

TEST(Fft, ComplexBinsAreThoseOfTheDefinitionAndComeBack) {
  for (size_t n = 1; n <= 1024; n *= 2) {
    auto re = Noise(n, 2 * n), im = Noise(n, 3 * n);
    const auto re0 = re, im0 = im;
    std::vector<std::complex<double>> exact(n);
    for (size_t i = 0; i < n; ++i) exact[i] = {re[i], im[i]};
    const ComplexFft fft(n);
    fft.Forward(re.data(), im.data());
    const double tolerance = 4e-7 * std::sqrt(static_cast<double>(n)) * std::log2(2.0 * n);
    for (size_t k = 0; k < n; ++k) {
      const auto want = Bin(exact, k);
      EXPECT_NEAR(re[k], want.real(), tolerance) << n << " bin " << k;
      EXPECT_NEAR(im[k], want.imag(), tolerance) << n << " bin " << k;
    }
    fft.Inverse(re.data(), im.data());
    for (size_t i = 0; i < n; ++i) {
      ASSERT_NEAR(re[i], re0[i], 2e-6) << n;
      ASSERT_NEAR(im[i], im0[i], 2e-6) << n;
    }
  }
}

TEST(Fft, OneObjectServesSeveralThreadsWithTheSameBits) {
  const Fft fft(4096);
  std::vector<std::vector<float>> x, re(4, std::vector<float>(2049)), im = re;
  for (uint64_t t = 0; t < 4; ++t) x.push_back(Noise(4096, t));
  std::vector<size_t> wrong(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) fft.Forward(x[t].data(), re[t].data(), im[t].data());
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<float> again_re(2049), again_im(2049);
      for (int i = 0; i < 300; ++i) {
        fft.Forward(x[t].data(), again_re.data(), again_im.data());
        wrong[t] += again_re != re[t] || again_im != im[t];
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, std::vector<size_t>(4));
}

TEST(Convolver, IsTheDirectSumAddedToWhatIsThere) {
  for (const auto& [samples, response] :
       {std::pair<size_t, size_t>{1, 1}, {1, 300}, {300, 1}, {70000, 37}, {5000, 4800}, {3, 100}}) {
    const auto x = Noise(samples, 11), h = Noise(response, 12);
    auto out = Noise(samples + response - 1, 13);
    std::vector<double> want(out.begin(), out.end());
    for (size_t i = 0; i < samples; ++i) {
      for (size_t j = 0; j < response; ++j)
        want[i + j] += static_cast<double>(x[i]) * static_cast<double>(h[j]);
    }
    const Convolver convolver(h);
    EXPECT_EQ(convolver.response_size(), response);
    convolver.Apply(x, out);
    const double tolerance = 4e-6 * std::sqrt(static_cast<double>(response)) + 1e-6;
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(out[i], want[i], tolerance) << samples << " * " << response << " at " << i;
  }
}

TEST(Convolver, SilentBlocksStayExactlySilent) {
  const Convolver convolver(Noise(100, 1));
  std::vector<float> x(4 * convolver.block_size()), out(x.size() + 99);
  x[0] = 1;
  convolver.Apply(x, out);
  EXPECT_NE(out[50], 0);
  for (size_t i = convolver.block_size() + 99; i < out.size(); ++i) ASSERT_EQ(out[i], 0) << i;
}

TEST(Convolver, EmptyResponseOrInputAddsNothing) {
  std::vector<float> none, one = {1};
  Convolver(none).Apply(one, none);
  Convolver(one).Apply(none, none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace wring::speech
