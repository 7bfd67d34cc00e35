// Every linear kernel of every instruction set of this machine, against float64 and against itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/cpu/isa.h"
#include "kernels/reference/reference.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using cpu::Isa;

struct Case {
  Isa isa;
  FormatId format;
};

std::vector<Case> Cases(bool int8_only) {
  std::vector<Case> all;
  for (Isa isa : cpu::SupportedIsas()) {
    for (size_t f = 0; f < kFormatCount; ++f) {
      if (int8_only && cpu::KernelsFor(isa).linear[f].int8 == nullptr) continue;
      all.push_back({isa, static_cast<FormatId>(f)});
    }
  }
  return all;
}

// Runs a kernel over `rows` activation rows as the executor does; [rows][padded matrix rows].
class Runner {
 public:
  explicit Runner(Isa isa) : k_(cpu::KernelsFor(isa)) {}

  std::vector<float> Int8(const PackedMatrix& w, const std::vector<float>& x, uint32_t rows,
                          const cpu::LinearOutput& extra = {}) {
    const uint32_t cols = w.cols;
    const uint32_t blocks = cols / 32;
    std::vector<int8_t> q(rows * cols);
    std::vector<float> scale(rows * blocks), sum(rows * blocks);
    std::vector<int32_t> isum(2 * rows * blocks);
    for (uint32_t r = 0; r < rows;) {
      const uint32_t n = cpu::TileRows(rows - r, k_.widest_tile);
      const float* in[16];
      for (uint32_t i = 0; i < n; ++i) in[i] = x.data() + (r + i) * cols;
      k_.elementwise.quantize_tile(in, n, cols, q.data() + r * cols, scale.data() + r * blocks,
                                   sum.data() + r * blocks, isum.data() + 2 * r * blocks);
      r += n;
    }
    const cpu::Int8Acts acts = {rows, cols, q.data(), scale.data(), sum.data(), isum.data()};
    return Run(w, extra, rows, [&](const cpu::LinearOutput& out, std::byte* scratch) {
      k_.linear[static_cast<size_t>(w.format->id())].int8(w, acts, out, 0, w.panel_count(),
                                                          scratch);
    });
  }

  std::vector<float> F32(const PackedMatrix& w, const std::vector<float>& x, uint32_t rows) {
    std::vector<float> tiles(rows * w.cols);
    for (uint32_t r = 0; r < rows;) {
      const uint32_t n = cpu::TileRows(rows - r, k_.widest_tile);
      for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t c = 0; c < w.cols; ++c)
          tiles[r * w.cols + c * n + i] = x[(r + i) * w.cols + c];
      }
      r += n;
    }
    const cpu::F32Acts acts = {rows, w.cols, tiles.data()};
    return Run(w, {}, rows, [&](const cpu::LinearOutput& out, std::byte* scratch) {
      k_.linear[static_cast<size_t>(w.format->id())].f32(w, acts, out, 0, w.panel_count(), scratch);
    });
  }

  bool HasInt8(FormatId f) const { return k_.linear[static_cast<size_t>(f)].int8 != nullptr; }

 private:
  template <class Fn>
  std::vector<float> Run(const PackedMatrix& w, cpu::LinearOutput out, uint32_t rows,
                         const Fn& fn) {
    out.ld = w.panel_count() * kPanelRows;
    std::vector<float> y(rows * out.ld, 1e30F);
    out.y = y.data();
    std::vector<std::byte> scratch(cpu::LinearScratchBytes(w.cols, w.panel_stride) + 64);
    auto* aligned = reinterpret_cast<std::byte*>(
        RoundUp<uintptr_t>(reinterpret_cast<uintptr_t>(scratch.data()), 64));
    fn(out, aligned);
    return y;
  }

  const cpu::Kernels& k_;
};

std::vector<float> Activations(uint32_t rows, uint32_t cols, uint64_t seed) {
  std::vector<float> x(rows * cols);
  for (uint32_t i = 0; i < x.size(); ++i) {
    x[i] =
        testing::Noise(seed, i) * (i % 37 == 0 ? 8.0F : 1.0F);  // outliers as real activations have
  }
  return x;
}

class LinearTest : public ::testing::TestWithParam<Case> {
 protected:
  uint32_t Cols(int which) const {
    const bool super = Format(GetParam().format).block_cols() > 32;
    const bool plain = Format(GetParam().format).block_cols() == 1;
    if (which == 0) return super ? 256 : plain ? 33 : 32;
    return super ? 1536 : plain ? 590 : 608;
  }
};

TEST_P(LinearTest, Float32EqualsFloat64) {
  Runner run(GetParam().isa);
  for (int shape = 0; shape < 2; ++shape) {
    for (uint32_t n : {1U, 3U, 13U}) {
      const uint32_t cols = Cols(shape);
      const auto m = testing::MakeMatrix(GetParam().format, shape == 0 ? 5 : 83, cols, 21);
      const auto x = Activations(n, cols, 5);
      const auto y = run.F32(m.matrix, x, n);
      for (uint32_t r = 0; r < n; ++r) {
        std::vector<double> magnitude;
        const std::vector<double> row(x.begin() + r * cols, x.begin() + (r + 1) * cols);
        const auto want = reference::Linear(m.matrix, row, &magnitude);
        for (uint32_t i = 0; i < m.matrix.rows; ++i) {
          ASSERT_NEAR(y[r * m.matrix.panel_count() * 16 + i], want[i], magnitude[i] * 4e-6)
              << "row " << i;
        }
      }
    }
  }
}

using Int8LinearTest = LinearTest;

TEST_P(Int8LinearTest, EqualsFloat64OfQuantisedActivations) {
  Runner run(GetParam().isa);
  for (int shape = 0; shape < 2; ++shape) {
    for (uint32_t n : {1U, 2U, 3U, 4U, 5U, 12U, 23U}) {
      const uint32_t cols = Cols(shape);
      const auto m = testing::MakeMatrix(GetParam().format, shape == 0 ? 16 : 37, cols, 22);
      const auto x = Activations(n, cols, 6);
      const auto y = run.Int8(m.matrix, x, n);
      for (uint32_t r = 0; r < n; ++r) {
        std::vector<double> magnitude;
        const auto row = reference::QuantizeActivations({x.data() + r * cols, cols});
        const auto want = reference::Linear(m.matrix, row, &magnitude);
        for (uint32_t i = 0; i < m.matrix.rows; ++i) {
          ASSERT_NEAR(y[r * m.matrix.panel_count() * 16 + i], want[i], magnitude[i] * 4e-6 + 1e-6)
              << n << " rows, " << i;
        }
      }
    }
  }
}

TEST_P(LinearTest, ARowsBitsDoNotDependOnItsNeighbours) {
  Runner run(GetParam().isa);
  const uint32_t cols = Cols(1);
  const auto m = testing::MakeMatrix(GetParam().format, 70, cols, 23);
  const size_t ld = m.matrix.panel_count() * 16;
  const auto x = Activations(64, cols, 7);
  for (bool int8 : {false, true}) {
    if (int8 && !run.HasInt8(GetParam().format)) continue;
    const auto all = int8 ? run.Int8(m.matrix, x, 64) : run.F32(m.matrix, x, 64);
    for (uint32_t n : {1U, 2U, 3U, 7U, 12U, 20U}) {
      const auto some = int8 ? run.Int8(m.matrix, x, n) : run.F32(m.matrix, x, n);
      ASSERT_EQ(std::memcmp(some.data(), all.data(), n * ld * 4), 0) << n << " rows";
    }
    // A matrix kept as stored gives the same bits as a packed one.
    const auto stored = int8 ? run.Int8(m.stored_matrix, x, 3) : run.F32(m.stored_matrix, x, 3);
    ASSERT_EQ(std::memcmp(stored.data(), all.data(), 3 * ld * 4), 0) << "not repacked";
  }
}

TEST_P(LinearTest, InstructionSetsAgreeToTheBit) {
  const uint32_t cols = Cols(1);
  const auto m = testing::MakeMatrix(GetParam().format, 48, cols, 24);
  const auto x = Activations(13, cols, 8);
  Runner first(cpu::SupportedIsas().front());
  Runner run(GetParam().isa);
  EXPECT_EQ(first.F32(m.matrix, x, 13), run.F32(m.matrix, x, 13));
  if (run.HasInt8(GetParam().format)) {
    EXPECT_EQ(first.Int8(m.matrix, x, 13), run.Int8(m.matrix, x, 13));
  }
}

TEST_P(Int8LinearTest, AddsBiasAndResidual) {
  Runner run(GetParam().isa);
  const uint32_t cols = Cols(0);
  const auto m = testing::MakeMatrix(GetParam().format, 16, cols, 25);
  const auto x = Activations(2, cols, 9);
  const auto plain = run.Int8(m.matrix, x, 2);
  std::vector<float> bias(16), residual(32);
  for (uint32_t i = 0; i < 32; ++i) residual[i] = testing::Noise(1, i);
  for (uint32_t i = 0; i < 16; ++i) bias[i] = testing::Noise(2, i);
  cpu::LinearOutput extra;
  extra.bias = bias.data();
  extra.residual = residual.data();
  const auto got = run.Int8(m.matrix, x, 2, extra);
  for (uint32_t i = 0; i < 32; ++i) EXPECT_EQ(got[i], (plain[i] + bias[i % 16]) + residual[i]);
}

std::string CaseName(const ::testing::TestParamInfo<Case>& param) {
  return fmt::format("{}_{}", cpu::IsaName(param.param.isa), testing::NameOf(param.param.format));
}
INSTANTIATE_TEST_SUITE_P(All, LinearTest, ::testing::ValuesIn(Cases(false)), CaseName);
INSTANTIATE_TEST_SUITE_P(All, Int8LinearTest, ::testing::ValuesIn(Cases(true)), CaseName);

}  // namespace
}  // namespace wring
