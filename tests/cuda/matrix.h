// Random matrices of a format on a GPU, for tests of products.
#pragma once

#include "cuda/gpu.h"
#include "quant/fragments/fragments.h"
#include "support/random_weights.h"

namespace wring::testing {

class FormatGpuTest : public GpuTest, public ::testing::WithParamInterface<FormatId> {
 protected:
  // A random matrix as fragments on the GPU, its weights there and, not rounded to float16, as stored.
  struct Weights {
    Buffer memory;
    cuda::MatrixArg arg;
    std::vector<float> values, stored;
  };
  Weights Make(uint32_t rows, uint32_t cols, uint64_t seed) {
    const FormatId format = GetParam();
    const auto random = MakeMatrix(format, rows, cols, seed);
    FragmentMatrix f = {format, rows, cols, nullptr};
    std::vector<std::byte> bytes(f.bytes());
    Weights w;
    w.values.resize(uint64_t{rows} * cols);
    w.stored.resize(w.values.size());
    for (uint32_t t = 0; t < f.row_tiles(); ++t) {
      std::byte* tile = bytes.data() + t * f.tile_bytes();
      const Status s = PackFragments(format, random.matrix.panel(t), cols, tile);
      EXPECT_TRUE(s.ok()) << s.message();
      for (uint32_t r = t * 16; r < std::min(rows, t * 16 + 16); ++r) {
        ReadFragments(f, tile, r % 16, w.values.data() + uint64_t{r} * cols);
        random.matrix.DequantRow(r, w.stored.data() + uint64_t{r} * cols);
      }
    }
    w.memory = Put(bytes);
    w.arg = {w.memory.data(), f.tile_bytes(),           rows, cols, f.row_tiles(),
             f.strips(),      FragmentsOf(format).alpha};
    return w;
  }
  const cuda::LinearKernels& kernels() const { return cuda::LinearOf(GetParam()); }
};

}  // namespace wring::testing
