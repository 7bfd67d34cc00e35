#include "kernels/cpu/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "kernels/cpu/isa.h"
#include "kernels/reference/reference.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using testing::Noise;

class ElementwiseTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  const cpu::ElementwiseKernels& k() const { return cpu::KernelsFor(GetParam()).elementwise; }
};

std::vector<float> Row(size_t n, uint64_t seed, float scale) {
  std::vector<float> x(RoundUp<size_t>(n, 16), 0.0F);
  for (uint32_t i = 0; i < n; ++i) x[i] = scale * Noise(seed, i);
  return x;
}

TEST_P(ElementwiseTest, PhiloxIsTheScalarOne) {
  const uint32_t counter[3] = {3, 70'000, 1};
  for (const uint64_t key : {0ULL, 0xFEDCBA9876543210ULL}) {
    std::vector<uint32_t> words(77);
    k().philox(key, counter, 0xFFFFFFF0U, words.size(), words.data());
    for (uint32_t i = 0; i < words.size(); ++i) {
      ASSERT_EQ(words[i], Philox({3, 70'000, 1, 0xFFFFFFF0U + i}, key)[0]) << i;
    }
  }
}

TEST_P(ElementwiseTest, RmsNormEqualsFloat64AndSeesEpsilon) {
  for (size_t n : {16UL, 100UL, 576UL, 1537UL}) {
    const auto x = Row(n, n, 0.01F);  // mean square about 3e-5, near the epsilons in use
    const auto w = Row(n, 9, 2.0F);
    for (float eps : {1e-5F, 1e-6F, 1e-2F}) {
      std::vector<float> out(x.size());
      k().rms_norm(x.data(), w.data(), eps, n, out.data());
      const auto want = reference::RmsNorm({x.data(), n}, {w.data(), n}, eps);
      const auto other = reference::RmsNorm({x.data(), n}, {w.data(), n}, 2 * eps);
      double moved = 0;
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(out[i], want[i], 1e-6 * std::abs(want[i]) + 1e-9);
        moved = std::max(moved, std::abs(want[i] - other[i]));
      }
      EXPECT_GT(moved, 1e-3) << "the test must be able to see another epsilon";
    }
  }
}

TEST_P(ElementwiseTest, LayerNormEqualsFloat64) {
  for (size_t n : {16UL, 100UL, 384UL, 1537UL}) {
    auto x = Row(n, n, 1.0F);
    for (size_t i = 0; i < n; ++i) x[i] += 0.5F;
    const auto w = Row(n, 9, 2.0F);
    const auto b = Row(n, 10, 2.0F);
    std::vector<float> out(x.size(), 7.0F);
    k().layer_norm(x.data(), w.data(), b.data(), 1e-5F, n, out.data());
    const auto want = reference::LayerNorm({x.data(), n}, {w.data(), n}, {b.data(), n}, 1e-5);
    for (size_t i = 0; i < n; ++i) ASSERT_NEAR(out[i], want[i], 2e-6) << n << " " << i;
    for (size_t i = n; i < out.size(); ++i) ASSERT_EQ(out[i], 0) << "padding stays zero";
  }
}

// Values from -12 to 12, padded to whole vectors.
std::vector<float> Ramp() {
  std::vector<float> x;
  for (float v = -12; v <= 12; v += 0.0371F) x.push_back(v);
  while (x.size() % 16 != 0) x.push_back(0);
  return x;
}

TEST_P(ElementwiseTest, GelusEqualFloat64) {
  const auto x = Ramp();
  const std::vector<float> up(x.size(), 1.5F);
  auto tanh_form = x;
  auto exact = x;
  k().gelu_mul(tanh_form.data(), up.data(), x.size());
  k().gelu(exact.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = reference::GeluTanh(x[i]) * 1.5;
    ASSERT_NEAR(tanh_form[i], want, std::abs(want) * 2e-6 + 1e-6) << x[i];
    ASSERT_NEAR(exact[i], reference::Gelu(x[i]), std::abs(x[i]) * 2e-7 + 1e-9) << x[i];
  }
}

TEST_P(ElementwiseTest, SoftCapAndAddEqualFloat64) {
  const auto x = Ramp();
  auto capped = x;
  auto sum = x;
  k().soft_cap(capped.data(), 3.0F, x.size());
  k().add(sum.data(), capped.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(capped[i], 3 * std::tanh(x[i] / 3.0), 1e-6) << x[i];
    ASSERT_EQ(sum[i], x[i] + capped[i]);
  }
}

TEST_P(ElementwiseTest, SiluMulEqualsFloat64OverTheWholeRange) {
  std::vector<float> gate, up;
  for (float g = -120; g <= 120; g += 0.37F) {
    gate.push_back(g);
    up.push_back(1.5F);
  }
  while (gate.size() % 16 != 0) {
    gate.push_back(0);
    up.push_back(0);
  }
  auto out = gate;
  k().silu_mul(out.data(), up.data(), out.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double want = reference::Silu(gate[i]) * up[i];
    ASSERT_NEAR(out[i], want, std::abs(want) * 5e-7 + 1e-35) << gate[i];
  }
}

TEST_P(ElementwiseTest, RopeRotatesHalvesAndKeepsLength) {
  for (size_t half : {4UL, 8UL, 24UL, 32UL, 64UL}) {
    std::vector<float> head = Row(2 * half, 3, 1.0F);
    std::vector<float> cos(half), sin(half);
    for (size_t i = 0; i < half; ++i) {
      cos[i] = std::cos(0.3F * static_cast<float>(i + 1));
      sin[i] = std::sin(0.3F * static_cast<float>(i + 1));
    }
    auto out = head;
    k().rope(out.data(), cos.data(), sin.data(), half);
    for (size_t i = 0; i < half; ++i) {
      EXPECT_NEAR(out[i], double{head[i]} * cos[i] - double{head[half + i]} * sin[i], 2e-7);
      EXPECT_NEAR(out[half + i], double{head[half + i]} * cos[i] + double{head[i]} * sin[i], 2e-7);
    }
  }
}

TEST_P(ElementwiseTest, QuantisedTilesHoldEveryRowInItsPlace) {
  const uint32_t cols = 96;
  for (uint32_t tile : {1U, 2U, 4U, 8U}) {
    std::vector<std::vector<float>> rows;
    const float* x[16];
    for (uint32_t r = 0; r < tile; ++r)
      rows.push_back(Row(cols, 50 + r, 1.0F + static_cast<float>(r)));
    for (uint32_t r = 0; r < tile; ++r) x[r] = rows[r].data();
    for (uint32_t i = 0; i < 32; ++i) rows[0][i] = 0;  // a block of zeros
    std::vector<int8_t> q(tile * cols);
    std::vector<float> scale(tile * 3), sum(tile * 3);
    std::vector<int32_t> isum(tile * 6);
    k().quantize_tile(x, tile, cols, q.data(), scale.data(), sum.data(), isum.data());
    for (uint32_t r = 0; r < tile; ++r) {
      const auto want = reference::QuantizeActivations({rows[r].data(), cols});
      for (uint32_t c = 0; c < cols; ++c) {
        const double got = double{scale[c / 32 * tile + r]} * q[(c / 4 * tile + r) * 4 + c % 4];
        ASSERT_NEAR(got, want[c], 1e-6) << "row " << r << " column " << c;
      }
      for (uint32_t b = 0; b < 3; ++b) {
        int total = 0;
        for (uint32_t c = 32 * b; c < 32 * b + 32; ++c) total += q[(c / 4 * tile + r) * 4 + c % 4];
        EXPECT_EQ(total, isum[2 * b * tile + r] + isum[(2 * b + 1) * tile + r]);
        EXPECT_FLOAT_EQ(sum[b * tile + r], scale[b * tile + r] * static_cast<float>(total));
      }
    }
  }
}

TEST_P(ElementwiseTest, MaxSumExpEqualsFloat64) {
  for (size_t n : {1UL, 15UL, 16UL, 1000UL, 49152UL}) {
    std::vector<float> x(n);
    for (uint32_t i = 0; i < n; ++i) x[i] = 10 * Noise(4, i);
    float max = 0;
    float sum = 0;
    k().max_sum_exp(x.data(), n, &max, &sum);
    double want = 0;
    for (float v : x) want += std::exp(double{v} - max);
    EXPECT_EQ(max, *std::max_element(x.begin(), x.end()));
    EXPECT_NEAR(sum, want, want * 2e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseTest, ::testing::ValuesIn(cpu::SupportedIsas()),
                         [](const auto& param) { return std::string(cpu::IsaName(param.param)); });

}  // namespace
}  // namespace wring
