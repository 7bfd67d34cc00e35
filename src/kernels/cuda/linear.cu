#include <algorithm>

// What linear layers of every format share: the table, and the sum over segments.
#include "kernels/cuda/linear.cuh"

namespace wring::cuda {

const LinearKernels& LinearF16();
const LinearKernels& LinearQ8_0();
const LinearKernels& LinearQ4_0();
const LinearKernels& LinearQ4_1();
const LinearKernels& LinearQ5_0();
const LinearKernels& LinearQ5_1();
const LinearKernels& LinearQ4_K();
const LinearKernels& LinearQ5_K();
const LinearKernels& LinearQ6_K();
const LinearKernels& LinearQ2_K();
const LinearKernels& LinearQ3_K();
const LinearKernels& LinearIQ4_NL();
const LinearKernels& LinearIQ4_XS();
const LinearKernels& LinearMXFP4();
const LinearKernels& LinearInt4G32();
const LinearKernels& LinearInt4G128();
const LinearKernels& LinearFp8G32();
const LinearKernels& LinearFp8G128();

const LinearKernels& LinearOf(FormatId format) {
  static constexpr LinearKernels kNone = {};
  switch (format) {
    case FormatId::kF32:
    case FormatId::kBF16:
    case FormatId::kF16: return LinearF16();  // fragments hold all three as float16
    case FormatId::kQ8_0: return LinearQ8_0();
    case FormatId::kQ4_0: return LinearQ4_0();
    case FormatId::kQ4_1: return LinearQ4_1();
    case FormatId::kQ5_0: return LinearQ5_0();
    case FormatId::kQ5_1: return LinearQ5_1();
    case FormatId::kQ4_K: return LinearQ4_K();
    case FormatId::kQ5_K: return LinearQ5_K();
    case FormatId::kQ6_K: return LinearQ6_K();
    case FormatId::kQ2_K: return LinearQ2_K();
    case FormatId::kQ3_K: return LinearQ3_K();
    case FormatId::kIQ4_NL: return LinearIQ4_NL();
    case FormatId::kIQ4_XS: return LinearIQ4_XS();
    case FormatId::kMXFP4: return LinearMXFP4();
    case FormatId::kInt4G32: return LinearInt4G32();
    case FormatId::kInt4G128: return LinearInt4G128();
    case FormatId::kFp8G32: return LinearFp8G32();
    case FormatId::kFp8G128: return LinearFp8G128();
    default: return kNone;
  }
}

uint32_t AllTiles(const LinearArgs& args) {
  uint32_t tiles = 0;
  for (uint32_t p = 0; p < args.parts; ++p) tiles += args.part[p].w.tiles;
  return tiles;
}

namespace {

__global__ void __launch_bounds__(256)
    ReduceKernel(const __grid_constant__ LinearArgs args, const float* workspace, uint32_t splits,
                 uint32_t all_rows) {
  LetNextStart();
  WaitForPrevious();
  const uint32_t row = blockIdx.x * 256 + threadIdx.x;
  const uint32_t col = blockIdx.y;
  if (row >= all_rows) return;
  float v[kSegments];
#pragma unroll
  for (uint32_t s = 0; s < kSegments; ++s)
    v[s] = s < splits ? workspace[(uint64_t{s} * args.rows + col) * all_rows + row] : 0.F;
  float sum = v[0];
#pragma unroll
  for (uint32_t s = 1; s < kSegments; ++s) {
    if (s < splits) sum += v[s];
  }
  uint32_t tile = row / 16;
  const LinearArgs::Part& part = PartOf(args, &tile);
  StoreOutput(args, part, tile * 16 + row % 16, col, sum);
}

}  // namespace

uint32_t RowBlocks(const LinearArgs& args, bool gated, uint32_t tiles) {
  const auto blocks = [&](uint32_t part, uint32_t most) {
    return (args.part[part].w.tiles + most - 1) / most;
  };
  if (gated) return blocks(0, tiles / 2);
  uint32_t all = 0;
  for (uint32_t p = 0; p < args.parts; ++p) all += blocks(p, tiles);
  return all;
}

// In cycles of an H100. 64 rows of a strip in fewer bits cost less the more of them a block has (Q4_K, 64 rows of activations);
// float16 costs what a multiprocessor, the cache and the memory can bring. A cluster's meeting costs as much as some strips, and
// large clusters find less room.
NarrowCut CutNarrow(const LinearArgs& args, uint32_t half_rows, bool gated,
                    uint32_t multiprocessors) {
  constexpr uint64_t kStripCycles[] = {0, 276, 462, 627};
  constexpr uint32_t kBytesIn = 36, kBytesOfCache = 4200, kBytesOfMemory = 2000;  // a cycle
  const auto strip_cycles = [&](uint32_t t, uint64_t blocks) {
    if (half_rows == 0) return kStripCycles[t / 4];
    const uint64_t weights = 16 * t * 128;
    const uint64_t all = weights + half_rows * 128;
    return std::max(
        {all / kBytesIn, blocks * all / kBytesOfCache, blocks * weights / kBytesOfMemory});
  };
  const uint32_t strips = args.part[0].w.strips;
  const uint32_t step = half_rows == 0 ? 4 : gated ? 2 : 1;
  const uint32_t most = half_rows == 0 ? 12 : 14;
  NarrowCut best;
  uint64_t least = ~uint64_t{0};
  for (uint32_t t = step; t <= most; t += step) {
    const uint32_t row_blocks = RowBlocks(args, gated, t);
    for (uint32_t splits = 1; splits <= kMostSplits && splits <= strips; splits *= 2) {
      const uint64_t blocks = uint64_t{row_blocks} * splits;
      const uint32_t room =
          splits == 4 ? multiprocessors * 3 / 4 : multiprocessors / splits * splits;
      const uint64_t waves = (blocks + room - 1) / room;
      const uint64_t cycles =
          waves * ((strips + splits - 1) / splits * strip_cycles(t, blocks / waves) + 3000) +
          (splits > 1 ? 2500 + 500 * splits : 0);
      if (cycles >= least) continue;
      least = cycles;
      best = {t, splits};
    }
  }
  return best;
}

uint32_t ManyGroups(uint32_t tiles, uint32_t multiprocessors) {
  return tiles > 8 * multiprocessors ? 3 : 1;
}

void ReduceSplit(Launcher& l, const LinearArgs& args, const float* workspace, uint32_t splits) {
  const uint32_t all_rows = AllTiles(args) * 16;
  Launch(l, ReduceKernel, dim3((all_rows + 255) / 256, args.rows), 256, 0, args, workspace, splits,
         all_rows);
}

}  // namespace wring::cuda
