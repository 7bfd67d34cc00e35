// Products of few rows in whole numbers: against float64 products of the stored weights and of activations rounded as
// gemv_codes.cuh says.
#include <algorithm>
#include <cmath>

#include "cuda/matrix.h"

namespace wring {
namespace {

using testing::Distance;
using testing::Noise;

constexpr FormatId kFormats[] = {FormatId::kQ4_K, FormatId::kQ5_K};

// 16 bits of `count` values, in units of the largest of them.
void RoundTo16Bits(const float* x, uint32_t count, double* out) {
  float most = 0;
  for (uint32_t i = 0; i < count; ++i) most = std::max(most, std::fabs(x[i]));
  const float inverse = most > 0 ? 32639 / most : 0;
  for (uint32_t i = 0; i < count; ++i)
    out[i] = std::nearbyint(double{x[i]} * inverse) * (most / 32639);
}

class CodesGpuTest : public testing::FormatGpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (!IsSkipped()) ASSERT_NE(kernels().code_gemv, nullptr);
  }
  // Float16 rows on the GPU, and what a product in whole numbers takes them for.
  struct Input {
    Buffer memory;
    uint32_t ld = 0;
    std::vector<double> values;
  };
  Input MakeInput(const std::vector<float>& x, uint32_t cols) {
    Input in;
    in.ld = RoundUp(cols, 256U);
    const auto rows = static_cast<uint32_t>(x.size() / cols);
    std::vector<uint16_t> halves(uint64_t{rows} * in.ld);
    in.values.resize(x.size());
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t first = 0; first < cols; first += 256) {
        float part[256] = {};
        const uint32_t count = std::min(256U, cols - first);
        for (uint32_t c = 0; c < count; ++c) {
          const uint16_t h = F32ToF16(x[r * cols + first + c]);
          halves[uint64_t{r} * in.ld + first + c] = h;
          part[c] = F16ToF32(h);
        }
        RoundTo16Bits(part, count, in.values.data() + r * cols + first);
      }
    }
    in.memory = Put(halves);
    return in;
  }
  static std::vector<float> Random(uint32_t rows, uint32_t cols) {
    std::vector<float> x(uint64_t{rows} * cols);
    for (uint32_t i = 0; i < x.size(); ++i) x[i] = Noise(7, i);
    return x;
  }
  static std::vector<double> Product(const Weights& w, const std::vector<double>& x) {
    const uint32_t cols = w.arg.cols;
    std::vector<double> y;
    for (uint64_t r = 0; r < x.size(); r += cols) {
      for (uint32_t o = 0; o < w.arg.rows; ++o) {
        double sum = 0;
        for (uint32_t c = 0; c < cols; ++c) sum += w.stored[uint64_t{o} * cols + c] * x[r + c];
        y.push_back(sum);
      }
    }
    return y;
  }
  std::vector<float> Run(const Weights& w, const Input& x, uint32_t rows) {
    Buffer y = Poisoned(uint64_t{rows} * w.arg.rows);
    cuda::LinearArgs args;
    args.part[0] = {w.arg, y.as<float>(), w.arg.rows, nullptr};
    args.parts = 1;
    args.x = x.memory.as<uint16_t>();
    args.ldx = x.ld;
    args.rows = rows;
    kernels().code_gemv(launcher_, args);
    return Get<float>(y, uint64_t{rows} * w.arg.rows);
  }
};

TEST_P(CodesGpuTest, ProductsAreThoseOfTheWholeNumbers) {
  for (const auto& [outs, cols] :
       {std::pair{48U, 256U}, {40U, 768U}, {272U, 1536U}, {16U, 4096U}, {5000U, 2816U}}) {
    const Weights w = Make(outs, cols, outs);
    for (uint32_t rows = 1; rows <= cuda::kCodeRows; ++rows) {
      const Input x = MakeInput(Random(rows, cols), cols);
      EXPECT_LE(Distance(Run(w, x, rows), Product(w, x.values)), 1e-6)
          << outs << " x " << cols << ", " << rows << " rows";
    }
  }
}

// A row has the same bits beside others, and the same again.
TEST_P(CodesGpuTest, RowsDoNotDependOnOthers) {
  const uint32_t cols = 1280;
  const Weights w = Make(330, cols, 1);
  const auto values = Random(4, cols);
  const auto all = Run(w, MakeInput(values, cols), 4);
  for (uint32_t r = 0; r < 4; ++r) {
    const std::vector<float> one(values.begin() + r * cols, values.begin() + (r + 1) * cols);
    const auto got = Run(w, MakeInput(one, cols), 1);
    EXPECT_EQ(std::memcmp(got.data(), all.data() + r * 330, 330 * 4), 0) << r;
  }
}

TEST_P(CodesGpuTest, PartsBiasAndResidual) {
  const uint32_t cols = 512;
  const Weights a = Make(64, cols, 1);
  const Weights b = Make(24, cols, 2);
  std::vector<float> bias(64);
  for (uint32_t i = 0; i < 64; ++i) bias[i] = Noise(4, i);
  const Buffer bias_there = Put(bias);
  const uint32_t rows = 3;
  const Input x = MakeInput(Random(rows, cols), cols);
  std::vector<float> before(rows * 64);
  for (uint32_t i = 0; i < before.size(); ++i) before[i] = Noise(5, i);
  Buffer ya = Put(before);
  Buffer yb = Put(std::vector<float>(rows * 24, 0.0F));
  cuda::LinearArgs args;
  args.part[0] = {a.arg, ya.as<float>(), 64, bias_there.as<float>()};
  args.part[1] = {b.arg, yb.as<float>(), 24, nullptr};
  args.parts = 2;
  args.x = x.memory.as<uint16_t>();
  args.ldx = x.ld;
  args.rows = rows;
  args.add = true;
  kernels().code_gemv(launcher_, args);
  auto ra = Product(a, x.values);
  for (uint32_t i = 0; i < ra.size(); ++i) ra[i] += before[i] + bias[i % 64];
  EXPECT_LE(Distance(Get<float>(ya, rows * 64), ra), 1e-6);
  EXPECT_LE(Distance(Get<float>(yb, rows * 24), Product(b, x.values)), 1e-6);
}

TEST_P(CodesGpuTest, GatedEqualsItsParts) {
  const uint32_t cols = 1280;
  for (const auto& [rows, outs] : {std::pair{1U, 96U}, {2U, 4250U}, {4U, 90U}}) {
    const Weights gate = Make(outs, cols, 1);
    const Weights up = Make(outs, cols, 2);
    const Input x = MakeInput(Random(rows, cols), cols);
    const uint32_t ld = RoundUp(outs, kStripCols);
    Buffer out = Poisoned(uint64_t{rows} * ld);
    cuda::LinearArgs args;
    args.part[0] = {gate.arg, nullptr, 0, nullptr};
    args.part[1] = {up.arg, nullptr, 0, nullptr};
    args.parts = 2;
    args.x = x.memory.as<uint16_t>();
    args.ldx = x.ld;
    args.rows = rows;
    kernels().gated_codes(launcher_, args, cuda::Gate::kSilu, out.as<uint16_t>(), ld);
    const auto got = Get<uint16_t>(out, uint64_t{rows} * ld);
    auto reference = Product(gate, x.values);
    const auto u = Product(up, x.values);
    std::vector<float> values(reference.size());
    for (uint32_t i = 0; i < reference.size(); ++i) {
      const double g = reference[i];
      reference[i] = std::clamp(g / (1 + std::exp(-g)) * u[i], -65504.0, 65504.0);
      values[i] = F16ToF32(got[i / outs * ld + i % outs]);
    }
    EXPECT_LE(Distance(values, reference), 1e-3) << rows << " rows, " << outs << " outputs";
  }
}

// Wider than what a thread keeps between the norm's two passes, too.
TEST_P(CodesGpuTest, NormsItsInput) {
  for (const uint32_t cols : {512U, 4864U}) {
    const Weights w = Make(100, cols, 3);
    std::vector<float> weight(cols);
    for (uint32_t c = 0; c < cols; ++c) weight[c] = 1 + 0.5F * Noise(8, c);
    const auto x = Random(2, cols);
    const Buffer there = Put(x);
    const Buffer weight_there = Put(weight);
    Buffer y = Poisoned(2 * 100);
    cuda::LinearArgs args;
    args.part[0] = {w.arg, y.as<float>(), 100, nullptr};
    args.parts = 1;
    args.rows = 2;
    args.norm.x = there.as<float>();
    args.norm.ldx = cols;
    args.norm.weight = weight_there.as<float>();
    args.norm.eps = 1e-5F;
    args.norm.rows = 2;
    args.norm.cols = cols;
    kernels().code_gemv(launcher_, args);
    std::vector<double> normed(x.size());
    for (uint32_t r = 0; r < 2; ++r) {
      double squares = 0;
      for (uint32_t c = 0; c < cols; ++c) squares += std::pow(x[r * cols + c], 2);
      const double factor = 1 / std::sqrt(squares / cols + 1e-5);
      for (uint32_t c = 0; c < cols; ++c)
        normed[r * cols + c] = x[r * cols + c] * factor * weight[c];
    }
    // 16 bits of numbers of this spread are 2.2e-5 off, 15 bits would be twice that.
    EXPECT_LE(Distance(Get<float>(y, 200), Product(w, normed)), 3e-5) << cols;
  }
}

// The unit is one of 256 columns: a large value elsewhere costs no other column its precision.
TEST_P(CodesGpuTest, OneLargeValueSpoilsNoOtherColumns) {
  const uint32_t cols = 1024;
  const Weights w = Make(64, cols, 6);
  auto x = Random(1, cols);
  x[300] = 20000;
  const auto with = Run(w, MakeInput(x, cols), 1);
  std::vector<double> rest(x.begin(), x.end());
  for (uint32_t c = 256; c < 512; ++c) rest[c] = 0;
  for (uint32_t c = 0; c < cols; ++c) x[c] = c / 256 == 1 ? x[c] : 0;
  const auto alone = Run(w, MakeInput(x, cols), 1);
  std::vector<float> difference(64);
  for (uint32_t i = 0; i < 64; ++i) difference[i] = with[i] - alone[i];
  // Float32 sums beside one of 20,000 times the size.
  EXPECT_LE(Distance(difference, Product(w, rest)), 2e-3);
}

TEST_P(CodesGpuTest, WhatIsNoNumberStaysNone) {
  const uint32_t cols = 512;
  const Weights w = Make(20, cols, 6);
  auto x = Random(2, cols);
  x[cols + 3] = NAN;
  const auto got = Run(w, MakeInput(x, cols), 2);
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(std::isfinite(got[i]));
    EXPECT_TRUE(std::isnan(got[20 + i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CodesGpuTest, ::testing::ValuesIn(kFormats),
                         [](const auto& p) { return testing::NameOf(p.param); });

}  // namespace
}  // namespace wring
