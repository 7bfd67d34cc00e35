// Linear layers on a GPU, every format: against float64 products of the very weights that fragments hold, and to the bit
// among themselves.
#include <algorithm>
#include <cmath>

#include "cuda/matrix.h"

namespace wring {
namespace {

using testing::Distance;
using testing::Noise;

constexpr FormatId kFormats[] = {
    FormatId::kF32,     FormatId::kF16,      FormatId::kBF16,   FormatId::kQ8_0,
    FormatId::kQ4_0,    FormatId::kQ4_1,     FormatId::kQ5_0,   FormatId::kQ5_1,
    FormatId::kQ4_K,    FormatId::kQ5_K,     FormatId::kQ6_K,   FormatId::kQ2_K,
    FormatId::kQ3_K,    FormatId::kIQ4_NL,   FormatId::kIQ4_XS, FormatId::kMXFP4,
    FormatId::kInt4G32, FormatId::kInt4G128, FormatId::kFp8G32, FormatId::kFp8G128};

class LinearGpuTest : public testing::FormatGpuTest {
 protected:
  struct Input {
    Buffer memory;
    uint32_t ld = 0;
    std::vector<float> values;
  };
  Input MakeInput(uint32_t rows, uint32_t cols, uint64_t seed) {
    Input x;
    x.ld = RoundUp(cols, kStripCols);
    std::vector<uint16_t> halves(uint64_t{rows} * x.ld);
    x.values.resize(uint64_t{rows} * cols);
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t c = 0; c < cols; ++c) {
        const uint16_t h = F32ToF16(Noise(seed, r * cols + c));
        halves[uint64_t{r} * x.ld + c] = h;
        x.values[uint64_t{r} * cols + c] = F16ToF32(h);
      }
    }
    x.memory = Put(halves);
    return x;
  }
};

std::vector<double> Product(const std::vector<float>& w, const std::vector<float>& x, uint32_t outs,
                            uint32_t cols, uint32_t rows) {
  std::vector<double> y(uint64_t{rows} * outs);
  for (uint32_t r = 0; r < rows; ++r) {
    for (uint32_t o = 0; o < outs; ++o) {
      double sum = 0;
      for (uint32_t c = 0; c < cols; ++c)
        sum += double{w[uint64_t{o} * cols + c]} * x[uint64_t{r} * cols + c];
      y[uint64_t{r} * outs + o] = sum;
    }
  }
  return y;
}

TEST_P(LinearGpuTest, EveryKernelGivesTheSameBitsNearFloat64) {
  for (const auto& [outs, cols] :
       {std::pair{48U, 256U}, {40U, 768U}, {272U, 1536U}, {16U, 4096U}}) {
    const Weights w = Make(outs, cols, outs);
    const Input x = MakeInput(100, cols, 7);
    const auto reference = Product(w.values, x.values, outs, cols, 100);
    enum class Kernel { kGemv, kGemm, kNarrow, kWide };
    const auto run = [&](uint32_t rows, Kernel kernel) {
      Buffer y = Poisoned(uint64_t{rows} * outs);
      Buffer workspace = Poisoned(
          std::max<uint64_t>(cuda::SplitFloats(w.arg.tiles, rows, launcher_.multiprocessors), 1));
      cuda::LinearArgs args;
      args.part[0] = {w.arg, y.as<float>(), outs, nullptr};
      args.parts = 1;
      args.x = x.memory.as<uint16_t>();
      args.ldx = x.ld;
      args.rows = rows;
      switch (kernel) {
        case Kernel::kGemv: kernels().gemv(launcher_, args); break;
        case Kernel::kGemm: kernels().gemm(launcher_, args, workspace.as<float>()); break;
        case Kernel::kNarrow: {
          Buffer arranged = Poisoned(cuda::ArrangedBytes(w.arg.strips, 64) / sizeof(float));
          kernels().narrow_gemm(launcher_, args, arranged.as<float>());
          return Get<float>(y, uint64_t{rows} * outs);
        }
        case Kernel::kWide: kernels().wide_gemm(launcher_, args, workspace.as<float>()); break;
      }
      return Get<float>(y, uint64_t{rows} * outs);
    };
    const auto whole = run(100, Kernel::kGemm);
    EXPECT_LE(Distance(whole, reference), 2e-6) << outs << " x " << cols;
    for (const uint32_t rows : {9U, 16U, 30U, 64U, 100U}) {
      const bool narrow = rows <= cuda::kNarrowRows;
      if (!cuda::HasWgmma() || (!narrow && kernels().wide_gemm == nullptr)) break;
      auto some = reference;
      some.resize(uint64_t{rows} * outs);
      EXPECT_LE(Distance(run(rows, narrow ? Kernel::kNarrow : Kernel::kWide), some), 2e-6)
          << outs << " x " << cols << ", " << rows << " rows, narrow or wide";
    }
    for (const auto& [rows, kernel] : {std::pair{1U, Kernel::kGemv},
                                       {3U, Kernel::kGemv},
                                       {8U, Kernel::kGemv},
                                       {2U, Kernel::kGemm},
                                       {33U, Kernel::kGemm},
                                       {64U, Kernel::kGemm},
                                       {65U, Kernel::kGemm}}) {
      const auto some = run(rows, kernel);
      EXPECT_EQ(std::memcmp(some.data(), whole.data(), some.size() * 4), 0)
          << outs << " x " << cols << ", " << rows
          << (kernel == Kernel::kGemm ? " rows, gemm" : " rows, gemv");
    }
  }
}

TEST_P(LinearGpuTest, PartsBiasAndResidual) {
  const uint32_t cols = 512;
  const Weights a = Make(64, cols, 1);
  const Weights b = Make(24, cols, 2);
  std::vector<float> bias(64);
  for (uint32_t i = 0; i < 64; ++i) bias[i] = Noise(4, i);
  const Buffer bias_there = Put(bias);
  for (const uint32_t rows : {5U, 13U, 50U}) {
    const bool narrow = rows > cuda::kGemvRows;
    if (narrow && !cuda::HasWgmma()) break;
    const Input x = MakeInput(rows, cols, 3);
    std::vector<float> before(rows * 64);
    for (uint32_t i = 0; i < before.size(); ++i) before[i] = Noise(5, i);
    Buffer ya = Put(before);
    // Outputs that are not aligned to four are written one by one.
    const uint32_t ld = narrow ? 33 : 32;
    Buffer yb = Put(std::vector<float>(uint64_t{rows} * ld, 0.0F));
    Buffer arranged = Poisoned(cuda::ArrangedBytes(a.arg.strips, 64) / sizeof(float));
    cuda::LinearArgs args;
    args.part[0] = {a.arg, ya.as<float>(), 64, bias_there.as<float>()};
    args.part[1] = {b.arg, yb.as<float>(), ld, nullptr};
    args.parts = 2;
    args.x = x.memory.as<uint16_t>();
    args.ldx = x.ld;
    args.rows = rows;
    args.add = true;
    if (narrow) {
      kernels().narrow_gemm(launcher_, args, arranged.as<float>());
    } else {
      kernels().gemv(launcher_, args);
    }
    auto ra = Product(a.values, x.values, 64, cols, rows);
    for (uint32_t i = 0; i < ra.size(); ++i) ra[i] += before[i] + bias[i % 64];
    EXPECT_LE(Distance(Get<float>(ya, rows * 64), ra), 2e-6) << rows << " rows";
    const auto rb = Product(b.values, x.values, 24, cols, rows);
    const auto got = Get<float>(yb, uint64_t{rows} * ld);
    std::vector<float> packed;
    for (uint32_t r = 0; r < rows; ++r)
      packed.insert(packed.end(), got.begin() + r * ld, got.begin() + r * ld + 24);
    EXPECT_LE(Distance(packed, rb), 2e-6) << rows << " rows";
    for (uint32_t r = 0; r < rows; ++r) EXPECT_EQ(got[r * ld + 24], 0) << "beyond the rows";
  }
}

TEST_P(LinearGpuTest, GatedEqualsItsParts) {
  const uint32_t cols = 1280;
  // The last tile of 16 rows is not full.
  for (const auto& [rows, outs] : {std::pair{8U, 96U}, {16U, 90U}, {33U, 330U}, {64U, 1500U}}) {
    const bool narrow = rows > cuda::kGemvRows;
    if (narrow && !cuda::HasWgmma()) break;
    const Weights gate = Make(outs, cols, 1);
    const Weights up = Make(outs, cols, 2);
    const Input x = MakeInput(rows, cols, 3);
    const uint32_t ld = CeilDiv(outs, kStripCols) * kStripCols;
    Buffer out = Poisoned(uint64_t{rows} * ld);
    Buffer arranged = Poisoned(cuda::ArrangedBytes(gate.arg.strips, 64) / sizeof(float));
    cuda::LinearArgs args;
    args.part[0] = {gate.arg, nullptr, 0, nullptr};
    args.part[1] = {up.arg, nullptr, 0, nullptr};
    args.parts = 2;
    args.x = x.memory.as<uint16_t>();
    args.ldx = x.ld;
    args.rows = rows;
    if (narrow) {
      kernels().gated_narrow(launcher_, args, cuda::Gate::kSilu, out.as<uint16_t>(), ld,
                             arranged.as<float>());
    } else {
      kernels().gated_gemv(launcher_, args, cuda::Gate::kSilu, out.as<uint16_t>(), ld);
    }
    const auto got = Get<uint16_t>(out, uint64_t{rows} * ld);
    const auto g = Product(gate.values, x.values, outs, cols, rows);
    const auto u = Product(up.values, x.values, outs, cols, rows);
    std::vector<double> reference(uint64_t{rows} * outs);
    std::vector<float> values(reference.size());
    for (uint32_t i = 0; i < reference.size(); ++i) {
      reference[i] = std::clamp(g[i] / (1 + std::exp(-g[i])) * u[i], -65504.0, 65504.0);
      values[i] = F16ToF32(got[i / outs * ld + i % outs]);
    }
    EXPECT_LE(Distance(values, reference), 1e-3) << rows << " rows, " << outs << " outputs";
  }
}

// The cuts of large products: blocks of three warpgroups, clusters, tiles that do not fill the last block.
TEST_P(LinearGpuTest, LargeNarrowProductsAreRightAndTheSameAgain) {
  if (!cuda::HasWgmma()) GTEST_SKIP() << "needs a Hopper GPU";
  for (const auto& [outs, cols] : {std::pair{8000U, 256U}, {500U, 6144U}, {3000U, 512U}}) {
    const Weights w = Make(outs, cols, outs);
    const Input x = MakeInput(40, cols, 7);
    const auto reference = Product(w.values, x.values, outs, cols, 40);
    std::vector<float> before;
    for (int again = 0; again < 3; ++again) {
      Buffer y = Poisoned(uint64_t{40} * outs);
      Buffer arranged = Poisoned(cuda::ArrangedBytes(w.arg.strips, 64) / sizeof(float));
      cuda::LinearArgs args;
      args.part[0] = {w.arg, y.as<float>(), outs, nullptr};
      args.parts = 1;
      args.x = x.memory.as<uint16_t>();
      args.ldx = x.ld;
      args.rows = 40;
      kernels().narrow_gemm(launcher_, args, arranged.as<float>());
      const auto got = Get<float>(y, uint64_t{40} * outs);
      EXPECT_LE(Distance(got, reference), 2e-6) << outs << " x " << cols;
      if (again > 0) EXPECT_EQ(got, before) << outs << " x " << cols;
      before = got;
    }
  }
}

// The invariant grade: blocks of one and of three warpgroups, of few rows and of many, matrices with a bias that add to what
// is there.
TEST_P(LinearGpuTest, ManyRowsHaveTheBitsOfEveryOtherKernel) {
  if (!cuda::HasWgmma()) GTEST_SKIP() << "needs a Hopper GPU";
  for (const auto& [outs, cols] :
       {std::pair{40U, 256U}, {272U, 1536U}, {1000U, 2816U}, {90U, 4096U}}) {
    const Weights w = Make(outs, cols, outs);
    const Input x = MakeInput(330, cols, 7);
    std::vector<float> bias(outs);
    for (uint32_t i = 0; i < outs; ++i) bias[i] = Noise(4, i);
    const Buffer bias_there = Put(bias);
    for (const uint32_t rows : {5U, 9U, 64U, 65U, 160U, 330U}) {
      std::vector<float> before(rows * outs);
      for (uint32_t i = 0; i < before.size(); ++i) before[i] = Noise(5, i);
      const auto run = [&](uint32_t multiprocessors) {
        Buffer y = Put(before);
        cuda::LinearArgs args;
        args.part[0] = {w.arg, y.as<float>(), outs, bias_there.as<float>()};
        args.parts = 1;
        args.x = x.memory.as<uint16_t>();
        args.ldx = x.ld;
        args.rows = rows;
        args.add = true;
        if (multiprocessors == 0) {
          Buffer workspace = Poisoned(std::max<uint64_t>(
              cuda::SplitFloats(w.arg.tiles, rows, launcher_.multiprocessors), 1));
          if (rows <= cuda::kGemvRows) {
            kernels().gemv(launcher_, args);
          } else {
            kernels().gemm(launcher_, args, workspace.as<float>());
          }
          return Get<float>(y, uint64_t{rows} * outs);
        }
        Buffer arranged = Poisoned(cuda::ArrangedBytes(w.arg.strips, rows) / sizeof(float));
        cuda::Launcher launcher = launcher_;
        launcher.multiprocessors = multiprocessors;
        kernels().many_gemm(launcher, args, arranged.as<float>());
        EXPECT_TRUE(launcher.status().ok()) << launcher.status().message();
        return Get<float>(y, uint64_t{rows} * outs);
      };
      const auto expected = run(0);
      // To one multiprocessor every matrix is large.
      for (const uint32_t multiprocessors : {launcher_.multiprocessors, 1U}) {
        const auto got = run(multiprocessors);
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 4), 0)
            << outs << " x " << cols << ", " << rows << " rows, " << multiprocessors;
      }
    }
  }
}

TEST_P(LinearGpuTest, GatedManyRowsHaveTheBitsOfFew) {
  if (!cuda::HasWgmma()) GTEST_SKIP() << "needs a Hopper GPU";
  constexpr uint32_t kCols = 1280;
  constexpr uint32_t kOuts = 330;
  constexpr uint32_t kRows = 200;
  const Weights gate = Make(kOuts, kCols, 1);
  const Weights up = Make(kOuts, kCols, 2);
  const Input x = MakeInput(kRows, kCols, 3);
  const uint32_t ld = CeilDiv(kOuts, kStripCols) * kStripCols;
  const auto run = [&](uint32_t first, uint32_t rows) {
    Buffer out = Poisoned(uint64_t{rows} * ld);
    Buffer arranged = Poisoned(cuda::ArrangedBytes(gate.arg.strips, rows) / sizeof(float));
    cuda::LinearArgs args;
    args.part[0] = {gate.arg, nullptr, 0, nullptr};
    args.part[1] = {up.arg, nullptr, 0, nullptr};
    args.parts = 2;
    args.x = x.memory.as<uint16_t>() + uint64_t{first} * x.ld;
    args.ldx = x.ld;
    args.rows = rows;
    if (rows <= cuda::kGemvRows) {
      kernels().gated_gemv(launcher_, args, cuda::Gate::kSilu, out.as<uint16_t>(), ld);
    } else {
      kernels().gated_many(launcher_, args, cuda::Gate::kSilu, out.as<uint16_t>(), ld,
                           arranged.as<float>());
    }
    std::vector<uint16_t> values;
    const auto got = Get<uint16_t>(out, uint64_t{rows} * ld);
    for (uint32_t r = 0; r < rows; ++r)
      values.insert(values.end(), got.begin() + r * ld, got.begin() + r * ld + kOuts);
    return values;
  };
  std::vector<uint16_t> expected;
  for (uint32_t r = 0; r < kRows; r += 8) {
    const auto some = run(r, 8);
    expected.insert(expected.end(), some.begin(), some.end());
  }
  for (const uint32_t rows : {16U, 64U, 200U}) {
    const auto got = run(0, rows);
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * 2), 0) << rows << " rows";
  }
}

TEST_P(LinearGpuTest, ExpandedAndEmbeddedRowsAreTheWeights) {
  const uint32_t rows = 40;
  const uint32_t cols = 768;
  const Weights w = Make(rows, cols, 9);
  const uint32_t ld = w.arg.strips * kStripCols;
  Buffer out = Poisoned(uint64_t{w.arg.tiles} * 16 * ld / 2);
  kernels().expand(launcher_, w.arg, out.as<uint16_t>());
  const auto halves = Get<uint16_t>(out, uint64_t{rows} * ld);
  for (uint32_t i = 0; i < rows * cols; ++i) {
    ASSERT_EQ(F16ToF32(halves[uint64_t{i / cols} * ld + i % cols]) * w.arg.alpha, w.values[i]) << i;
  }
  const std::vector<int32_t> index = {0, 39, 8, 15, 16, 23};
  const Buffer there = Put(index);
  Buffer embedded = Poisoned(index.size() * cols);
  cuda::EmbedArgs embed;
  embed.w = w.arg;
  embed.index = there.as<int32_t>();
  embed.rows = 6;
  embed.scale = 2;
  embed.out = embedded.as<float>();
  embed.ld = cols;
  kernels().embed(launcher_, embed);
  const auto got = Get<float>(embedded, index.size() * cols);
  for (uint32_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i], 2 * w.values[static_cast<uint32_t>(index[i / cols]) * cols + i % cols]) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, LinearGpuTest, ::testing::ValuesIn(kFormats),
                         [](const auto& p) { return testing::NameOf(p.param); });

}  // namespace
}  // namespace wring
