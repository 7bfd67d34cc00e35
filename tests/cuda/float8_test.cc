// Products of float8 by the vendor's library: weights as their fragments hold them, activations with a scale for 128 columns,
// against float64 products of the very codes and scales.
#include <algorithm>
#include <cmath>

#include "cuda/gpu.h"
#include "kernels/cuda/cublaslt.h"
#include "quant/fp8/blocks.h"
#include "quant/fragments/fragments.h"
#include "support/random_weights.h"

namespace wring {
namespace {

using testing::MakeMatrix;
using testing::Noise;

class Float8GpuTest : public testing::GpuTest {
 protected:
  struct Matrix {
    Buffer memory;
    cuda::Float8Matrix arg;
  };
  Matrix Room(uint32_t rows, uint32_t cols) {
    Matrix m;
    m.memory = Poisoned(cuda::Float8Bytes(rows, cols) / sizeof(float));
    auto* codes = reinterpret_cast<uint8_t*>(m.memory.data());
    m.arg = {codes, reinterpret_cast<float*>(codes + uint64_t{rows} * cols), rows};
    return m;
  }
  // What codes and scales stand for.
  std::vector<float> Values(const Matrix& m, uint32_t cols) {
    const uint32_t rows = m.arg.rows;
    const auto bytes = Get<uint8_t>(m.memory, cuda::Float8Bytes(rows, cols));
    const auto* scales = reinterpret_cast<const float*>(bytes.data() + uint64_t{rows} * cols);
    std::vector<float> values(uint64_t{rows} * cols);
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t c = 0; c < cols; ++c) {
        values[uint64_t{r} * cols + c] =
            fp8::Value(bytes[uint64_t{r} * cols + c]) * scales[uint64_t{c / 128} * rows + r];
      }
    }
    return values;
  }
};

TEST_F(Float8GpuTest, ExpandedWeightsAreThoseOfTheFragments) {
  for (const auto& [rows, cols] : {std::pair{32U, 128U}, {272U, 1536U}, {16U, 4096U}}) {
    const auto random = MakeMatrix(FormatId::kFp8G128, rows, cols, rows);
    FragmentMatrix f = {FormatId::kFp8G128, rows, cols, nullptr};
    std::vector<std::byte> bytes(f.bytes());
    std::vector<float> want(uint64_t{rows} * cols), row(cols);
    for (uint32_t t = 0; t < f.row_tiles(); ++t) {
      std::byte* tile = bytes.data() + t * f.tile_bytes();
      ASSERT_TRUE(PackFragments(f.format, random.matrix.panel(t), cols, tile).ok());
    }
    for (uint32_t r = 0; r < rows; ++r) {
      random.matrix.DequantRow(r, row.data());
      std::copy(row.begin(), row.end(), want.begin() + uint64_t{r} * cols);
    }
    const Buffer memory = Put(bytes);
    const float alpha = FragmentsOf(f.format).alpha;
    const Matrix m = Room(rows, cols);
    cuda::ExpandFloat8(
        launcher_, {memory.data(), f.tile_bytes(), rows, cols, f.row_tiles(), f.strips(), alpha},
        m.arg);
    const auto values = Values(m, cols);
    for (size_t i = 0; i < want.size(); ++i)  // a scale is float16
      ASSERT_NEAR(values[i] * alpha, want[i], std::fabs(want[i]) * 0x1p-11F) << i;
  }
}

TEST_F(Float8GpuTest, RowsAreNearWhatTheyWereAndPaddingIsZero) {
  constexpr uint32_t kRows = 37, kPadded = 48, kCols = 384, kLd = 448;
  std::vector<uint16_t> halves(uint64_t{kRows} * kLd);
  for (uint32_t i = 0; i < halves.size(); ++i)
    halves[i] = F32ToF16(Noise(3, i) * (i % kLd < 128 ? 1000.F : 1e-4F));
  for (uint32_t c = 0; c < 128; ++c) halves[5 * kLd + c] = 0;
  const Buffer x = Put(halves);
  const Matrix m = Room(kPadded, kCols);
  cuda::RowsToFloat8(launcher_, x.as<uint16_t>(), kLd, kRows, kCols, m.arg);
  const auto values = Values(m, kCols);
  for (uint32_t r = 0; r < kPadded; ++r) {
    for (uint32_t g = 0; g < kCols; g += 128) {
      float most = 0;
      for (uint32_t c = g; c < g + 128 && r < kRows; ++c)
        most = std::max(most, std::fabs(F16ToF32(halves[r * kLd + c])));
      for (uint32_t c = g; c < g + 128; ++c) {
        const float was = r < kRows ? F16ToF32(halves[r * kLd + c]) : 0;
        // 3 bits of mantissa, and below 2^-6 steps of 2^-9.
        const float error = std::max(std::fabs(was) / 16, most / 448 * 0x1p-10F);
        ASSERT_NEAR(values[r * kCols + c], was, error * 1.001F) << r << ", " << c;
      }
    }
  }
}

TEST_F(Float8GpuTest, VendorsProductIsThatOfItsCodes) {
  auto vendor = cuda::VendorGemm::Create();
  if (!vendor.ok()) GTEST_SKIP() << vendor.status().message();
  if (!(*vendor)->float8()) GTEST_SKIP() << "needs Hopper and cuBLAS of CUDA 12.9 or later";
  for (const auto& [rows, outs, cols] :
       {std::tuple{16U, 48U, 128U}, {144U, 272U, 1536U}, {640U, 512U, 896U}}) {
    const Matrix w = Room(outs, cols);
    const Matrix x = Room(rows, cols);
    for (const Matrix* m : {&w, &x}) {
      std::vector<uint16_t> halves(uint64_t{m->arg.rows} * cols);
      for (uint32_t i = 0; i < halves.size(); ++i)
        halves[i] = F32ToF16(Noise(m == &w ? 1 : 2, i) * static_cast<float>(1 + i / 128 % 5));
      const Buffer from = Put(halves);
      cuda::RowsToFloat8(launcher_, from.as<uint16_t>(), cols, m->arg.rows, cols, m->arg);
    }
    const auto ws = Values(w, cols);
    const auto xs = Values(x, cols);
    const uint32_t ld = outs + 16;
    Buffer y = Put(std::vector<float>(uint64_t{rows} * ld, 3));
    Buffer half_y = Put(std::vector<uint16_t>(uint64_t{rows} * ld, 0));
    cuda::VendorGemm::Product p;
    p.x = x.arg.codes;
    p.x_scales = x.arg.scales;
    p.w = w.arg.codes;
    p.w_scales = w.arg.scales;
    p.rows = rows;
    p.outputs = outs;
    p.inputs = p.ldx = p.ldw = cols;
    p.ldy = ld;
    p.alpha = 0.5;
    p.half_y = half_y.as<uint16_t>();
    ASSERT_TRUE((*vendor)->Run(launcher_, p).ok());
    p.half_y = nullptr;
    p.y = y.as<float>();
    p.add = true;
    const Status s = (*vendor)->Run(launcher_, p);
    ASSERT_TRUE(s.ok()) << s.message();
    const auto got = Get<float>(y, uint64_t{rows} * ld);
    const auto half = Get<uint16_t>(half_y, uint64_t{rows} * ld);
    double error = 0, half_error = 0, norm = 0;
    for (uint32_t r = 0; r < rows; ++r) {
      for (uint32_t o = 0; o < outs; ++o) {
        double sum = 0;
        for (uint32_t c = 0; c < cols; ++c)
          sum += double{ws[uint64_t{o} * cols + c]} * xs[uint64_t{r} * cols + c];
        sum *= p.alpha;
        const uint64_t at = uint64_t{r} * ld + o;
        error += std::pow(got[at] - 3 - sum, 2);
        half_error += std::pow(F16ToF32(half[at]) - sum, 2);
        norm += sum * sum;
      }
    }
    // The tensor cores keep about 13 bits of a sum of 128 products.
    EXPECT_LE(std::sqrt(error / norm), 1e-3) << rows << " x " << outs << " x " << cols;
    EXPECT_LE(std::sqrt(half_error / norm), 1e-3) << rows << " x " << outs << " x " << cols;
  }
}

}  // namespace
}  // namespace wring
