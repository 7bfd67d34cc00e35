#include "train/gemm.h"

#include <cmath>
#include <vector>

#include "gradient_check.h"

namespace wring::testing {
namespace {

using namespace train;  // NOLINT: the subject

struct Case {
  size_t m, n, k;
};
// Around the tiles (4, 6, 12 rows), the vectors (4 to 32 columns) and the blocks of 256.
const std::vector<Case> kCases{{1, 1, 1},    {2, 3, 5},     {6, 16, 7},    {7, 17, 3},
                               {12, 32, 64}, {13, 33, 256}, {25, 47, 257}, {40, 5, 700},
                               {3, 100, 0},  {61, 31, 9},   {11, 15, 513}};

TEST(Gemm, AddsTheProductWithinRoundingOnEveryInstructionSet) {
  for (const auto isa : cpu::SupportedIsas()) {
    for (const auto& [m, n, k] : kCases) {
      SCOPED_TRACE(::testing::Message() << cpu::IsaName(isa) << " " << m << " " << n << " " << k);
      const Tensor a = Random({m, k + 1}, 1), b = Random({k + 1, n}, 2), c = Random({m, n}, 3);
      const auto at = Transposed(a.data(), m, k + 1);
      for (const bool transposed : {false, true}) {
        // One column of room, which must stay as it is.
        std::vector<float> out(m * (n + 1), -7.0F);
        for (size_t i = 0; i < m * n; ++i) out[i / n * (n + 1) + i % n] = c.data()[i];
        GemmFor(isa)({.m = m,
                      .n = n,
                      .k = k,
                      .a = transposed ? at.data() : a.data(),
                      .a_row = transposed ? 1 : k + 1,
                      .a_column = transposed ? m : 1,
                      .b = b.data(),
                      .b_row = n,
                      .c = out.data(),
                      .c_row = n + 1});
        for (size_t i = 0; i < m; ++i) {
          ASSERT_EQ(out[i * (n + 1) + n], -7.0F);
          for (size_t j = 0; j < n; ++j) {
            auto sum = static_cast<double>(c.data()[i * n + j]);
            double size = std::abs(sum);
            for (size_t p = 0; p < k; ++p) {
              const double product = static_cast<double>(a.data()[i * (k + 1) + p]) *
                                     static_cast<double>(b.data()[p * n + j]);
              sum += product;
              size += std::abs(product);
            }
            // Each of k roundings is at most 2^-24 of a partial sum.
            const double bound = static_cast<double>(k + 1) * 0x1p-24 * size;
            ASSERT_NEAR(static_cast<double>(out[i * (n + 1) + j]), sum, bound);
          }
        }
      }
    }
  }
}

// The contract itself: a chain of fused multiply-adds from k = 0 on.
TEST(Gemm, EveryElementIsOneChainInOrder) {
  for (const auto isa : cpu::SupportedIsas()) {
    for (const auto& [m, n, k] : kCases) {
      if (k == 0) continue;
      const Tensor a = Random({m, k}, 1), b = Random({k, n}, 2);
      std::vector<float> out(m * n);
      GemmFor(isa)({m, n, k, a.data(), k, 1, b.data(), n, out.data(), n});
      for (size_t i = 0; i < m * n; ++i) {
        float sum = 0;
        for (size_t p = 0; p < k; ++p) {
          sum = std::fma(a.data()[i / n * k + p], b.data()[p * n + i % n], sum);
        }
        ASSERT_EQ(out[i], sum) << cpu::IsaName(isa) << " " << m << " " << n << " " << k;
      }
    }
  }
}

TEST(Gemm, ThreadsChangeNoBit) {
  const size_t m = 1001, n = 37, k = 300;
  const Tensor a = Random({m, k}, 1), b = Random({k, n}, 2);
  std::vector<float> one(m * n);
  Gemm({m, n, k, a.data(), k, 1, b.data(), n, one.data(), n});
  for (const size_t threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    std::vector<float> out(m * n);
    Gemm(pool, {m, n, k, a.data(), k, 1, b.data(), n, out.data(), n});
    EXPECT_EQ(out, one) << threads;
  }
}

}  // namespace
}  // namespace wring::testing
