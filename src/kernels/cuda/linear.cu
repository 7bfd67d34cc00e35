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

// In cycles of an H100 (Q4_K, 64 rows): 64 rows of a strip cost less the more of them a block has; a cluster's meeting
// costs as much as some strips, and large clusters find less room.
NarrowCut CutNarrow(uint32_t tiles, uint32_t strips, bool gated, uint32_t multiprocessors) {
  constexpr uint32_t kStripCycles[] = {0, 276, 462, 627};
  NarrowCut best;
  uint64_t least = ~uint64_t{0};
  for (uint32_t groups = 1; groups <= 3; ++groups) {
    const uint32_t blocks = (tiles + 4 * groups - 1) / (4 * groups);
    for (uint32_t splits = 1; splits <= (gated ? 1U : 4U) && splits <= strips; splits *= 2) {
      const uint32_t room =
          splits == 4 ? multiprocessors * 3 / 4 : multiprocessors / splits * splits;
      const uint64_t waves = (uint64_t{blocks} * splits + room - 1) / room;
      const uint64_t cycles =
          waves * ((strips + splits - 1) / splits * kStripCycles[groups] + 3000) +
          (splits > 1 ? 2500 + 500 * splits : 0);
      if (cycles >= least) continue;
      least = cycles;
      best = {groups, splits};
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
