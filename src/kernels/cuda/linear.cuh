// Everything a weight format needs of linear layers, for one format a source file.
#pragma once

#include <algorithm>

#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/gemm_many.cuh"
#include "kernels/cuda/gemm_wide.cuh"
#include "kernels/cuda/gemv.cuh"
#include "kernels/cuda/gemv_codes.cuh"
#include "kernels/cuda/gemv_half.cuh"

namespace wring::cuda {

// Weights as float16, row-major.
template <FormatId kFormat>
__global__ void __launch_bounds__(kThreads)
    ExpandKernel(const __grid_constant__ MatrixArg w, Half* out) {
  using F = Fragments<kFormat>;
  LetNextStart();
  WaitForPrevious();
  const uint32_t lane = threadIdx.x % 32;
  const uint8_t* tile = TileOf(w, blockIdx.x);
  for (uint32_t s = blockIdx.y * kWarps + threadIdx.x / 32; s < w.strips; s += kWarps * gridDim.y) {
    const typename F::Raw raw = F::Load(tile, s, lane, w.strips);
#pragma unroll
    for (int b = 0; b < 2; ++b) {
      const BlockWeights v = F::Dequant(raw, b, lane);
#pragma unroll
      for (uint32_t r = 0; r < 2; ++r) {
        const uint64_t row = uint64_t{blockIdx.x} * 16 + lane / 4 + 8 * r;
        Half* to = out + row * w.strips * kStrip + s * kStrip + 32 * b + 8 * (lane % 4);
        *reinterpret_cast<uint4*>(to) = {v.a[r][0], v.a[r][1], v.a[r][2], v.a[r][3]};
      }
    }
  }
}

template <FormatId kFormat>
__global__ void __launch_bounds__(kThreads) EmbedKernel(const __grid_constant__ EmbedArgs args) {
  LetNextStart();
  WaitForPrevious();
  // Several blocks a row, so that each warp has one strip: their loads would wait for each other.
  const uint32_t blocks = gridDim.x / args.rows;
  EmbedRow<kFormat>(args, blockIdx.x / blocks, blockIdx.x % blocks * kWarps + threadIdx.x / 32,
                    blocks * kWarps);
}

void ReduceSplit(Launcher&, const LinearArgs&, const float* workspace, uint32_t splits);

inline SendArgs SendOf(const LinearArgs& args) {
  return args.send == nullptr ? SendArgs() : *args.send;
}

template <FormatId kFormat>
struct LinearLaunches {
  template <typename Product, int kTiles>
  static void Stream(Launcher& l, const LinearArgs& args, const GatedOut& gated) {
    constexpr uint32_t kRing = Ahead<kFormat, kTiles>::kBytes;
    constexpr uint32_t kSums = 2 * kTiles * kWarps * 16 * Product::kColumns * sizeof(float);
    static_assert(kRing + kGemvShared + kSums <= kGemvNeeds);
    const uint32_t tiles = kTiles == 2 ? args.part[0].w.tiles : AllTiles(args);
    const uint32_t most = kGemvBlocks * l.multiprocessors;
    const uint32_t grid = tiles < most ? tiles : most;
    uint32_t shared = kRing + Product::Bytes(args.rows, args.part[0].w.strips);
    // A multiprocessor that is done early may get a third block of the next launch while another has one: with several
    // tiles a block the third takes longer than its early start is worth, and so much memory lets none in.
    constexpr uint32_t kThird = (77 << 10) - 1024 - kSums;
    if (kTiles == 1 && tiles > most && shared < kThird) shared = kThird;
    Launch(l, GemvKernel<Product, kTiles>, grid, kThreads, shared, args, gated, tiles,
           SendOf(args));
  }
  template <int kTiles>
  static void HalfRows(Launcher& l, const LinearArgs& args, const GatedOut& gated) {
    using Shared = HalfProduct<kFormat, kTiles, true>;
    if (Shared::Bytes(args.rows, args.part[0].w.strips) <= kGemvShared)
      return Stream<Shared, kTiles>(l, args, gated);
    Stream<HalfProduct<kFormat, kTiles, false>, kTiles>(l, args, gated);
  }
  static void GemvRows(Launcher& l, const LinearArgs& args) { HalfRows<1>(l, args, {}); }
  static void GatedRows(Launcher& l, const LinearArgs& args, Gate gate, Half* out, uint32_t ld) {
    HalfRows<2>(l, args, {gate, out, ld});
  }
  static void CodeRows(Launcher& l, const LinearArgs& args) {
    if constexpr (Codes<kFormat>::kHas) Stream<CodeProduct<kFormat, 1>, 1>(l, args, {});
  }
  static void GatedCodes(Launcher& l, const LinearArgs& args, Gate gate, Half* out, uint32_t ld) {
    if constexpr (Codes<kFormat>::kHas)
      Stream<CodeProduct<kFormat, 2>, 2>(l, args, {gate, out, ld});
  }
  static void Gemm(Launcher& l, const LinearArgs& args, float* workspace) {
    const uint32_t tiles = AllTiles(args);
    const bool split = SplitsSegments(tiles, args.rows);
    const dim3 grid((args.rows + kTileN - 1) / kTileN, (tiles + kWarps - 1) / kWarps,
                    split ? kSegments : 1);
    if (split) {
      Launch(l, GemmKernel<kFormat, true>, grid, kThreads, kStages * sizeof(XTile), args, workspace,
             tiles * 16);
      ReduceSplit(l, args, workspace, kSegments);
    } else {
      Launch(l, GemmKernel<kFormat, false>, grid, kThreads, kStages * sizeof(XTile), args,
             workspace, tiles * 16);
    }
  }
  // For blocks of so many tiles.
  static HalfMaps<kFormat> MapsOf(Launcher& l, const LinearArgs& args, bool gated, uint32_t tiles) {
    HalfMaps<kFormat> maps;
    if constexpr (kFormat == FormatId::kF16) {
      for (uint32_t p = 0; p < args.parts; ++p) {
        const MatrixArg& w = args.part[p].w;
        maps.part[p] =
            MatrixMap(l, w.data, w.strips * kStrip, w.tiles * 16, 16 * (gated ? tiles / 2 : tiles));
      }
    }
    return maps;
  }
  template <int kN, int kGroups>
  static void NarrowCutBy(Launcher& l, const LinearArgs& args, const GatedOut& gated,
                          const NarrowCut& cut, const uint4* x) {
    using G = NarrowGemm<kFormat, kN, kGroups>;
    const bool is_gated = gated.out != nullptr;
    HalfMaps<kFormat> maps = MapsOf(l, args, is_gated, cut.tiles);
    if constexpr (G::kHalves) maps.x = MatrixMap(l, args.x, args.ldx, args.rows, kN);
    LaunchClusters(l, cut.splits, NarrowGemmKernel<kFormat, kN, kGroups>,
                   RowBlocks(args, is_gated, cut.tiles) * cut.splits, G::kThreads, G::kShared, args,
                   maps, x, gated, cut, SendOf(args));
  }
  template <int kN>
  static void NarrowOf(Launcher& l, const LinearArgs& args, const GatedOut& gated, void* arranged) {
    auto* x = static_cast<uint4*>(arranged);
    const uint32_t strips = args.part[0].w.strips;
    constexpr bool kHalves = kFormat == FormatId::kF16;
    if constexpr (!kHalves) {
      Launch(l, ArrangeKernel<kN>, dim3(strips, (kN + 31) / 32), 256, 0, args.x, args.ldx,
             args.rows, x);
    }
    const NarrowCut cut =
        CutNarrow(args, kHalves ? kN : 0, gated.out != nullptr, l.multiprocessors);
    switch ((cut.tiles + 3) / 4) {
      case 1: return NarrowCutBy<kN, 1>(l, args, gated, cut, x);
      case 2: return NarrowCutBy<kN, 2>(l, args, gated, cut, x);
      case 3: return NarrowCutBy<kN, 3>(l, args, gated, cut, x);
      default:
        if constexpr (kHalves) NarrowCutBy<kN, 4>(l, args, gated, cut, x);
    }
  }
  static void Narrow(Launcher& l, const LinearArgs& args, const GatedOut& gated, void* arranged) {
    if (args.rows <= 16) return NarrowOf<16>(l, args, gated, arranged);
    if (args.rows <= 32) return NarrowOf<32>(l, args, gated, arranged);
    NarrowOf<64>(l, args, gated, arranged);
  }
  static void NarrowRows(Launcher& l, const LinearArgs& args, void* arranged) {
    Narrow(l, args, {}, arranged);
  }
  static void GatedNarrow(Launcher& l, const LinearArgs& args, Gate gate, Half* out, uint32_t ld,
                          void* arranged) {
    Narrow(l, args, {gate, out, ld}, arranged);
  }
  template <int kN, int kGroups>
  static void ManyOf(Launcher& l, const LinearArgs& args, const GatedOut& gated, void* arranged) {
    using G = ManyGemm<kFormat, kN, kGroups>;
    auto* x = static_cast<uint4*>(arranged);
    const uint32_t blocks = (args.rows + kN - 1) / kN;
    Launch(l, ArrangeKernel<kN>, dim3(args.part[0].w.strips, (kN + 31) / 32, blocks), 256, 0,
           args.x, args.ldx, args.rows, x);
    const bool is_gated = gated.out != nullptr;
    const uint32_t row_blocks = RowBlocks(args, is_gated, G::kTiles);
    const uint32_t grid = std::min(row_blocks * blocks, G::kBlocks * l.multiprocessors);
    Launch(l, ManyGemmKernel<kFormat, kN, kGroups>, grid, G::kThreads, G::kShared, args,
           MapsOf(l, args, is_gated, G::kTiles), x, gated, row_blocks, blocks);
  }
  static void Many(Launcher& l, const LinearArgs& args, const GatedOut& gated, void* arranged) {
    if (args.rows > kNarrowRows) return ManyOf<kManyRows, 2>(l, args, gated, arranged);
    if (ManyGroups(AllTiles(args), l.multiprocessors) == 3)
      return ManyOf<64, 3>(l, args, gated, arranged);
    ManyOf<64, 1>(l, args, gated, arranged);
  }
  static void ManyRows(Launcher& l, const LinearArgs& args, void* arranged) {
    Many(l, args, {}, arranged);
  }
  static void GatedMany(Launcher& l, const LinearArgs& args, Gate gate, Half* out, uint32_t ld,
                        void* arranged) {
    Many(l, args, {gate, out, ld}, arranged);
  }
  static void WideGemmRows(Launcher& l, const LinearArgs& args, float* workspace) {
    using W = WideGemm<kFormat>;
    const uint32_t tiles = AllTiles(args);
    const uint32_t splits = WideSplits(tiles, args.rows, l.multiprocessors);
    const dim3 grid((args.rows + W::kN - 1) / W::kN, (tiles + kWarps - 1) / kWarps, splits);
    Launch(l, GemmWideKernel<kFormat>, grid, kThreads, W::kShared, args, workspace, tiles * 16);
    if (splits > 1) ReduceSplit(l, args, workspace, splits);
  }
  static constexpr auto FindWide() {
    void (*wide)(Launcher&, const LinearArgs&, float*) = nullptr;
    if constexpr (kFormat != FormatId::kF16) wide = WideGemmRows;
    return wide;
  }
  static void Expand(Launcher& l, const MatrixArg& w, Half* out) {
    const uint32_t across = w.strips >= 4 * kWarps ? w.strips / (4 * kWarps) : 1;
    Launch(l, ExpandKernel<kFormat>, dim3(w.tiles, across), kThreads, 0, w, out);
  }
  static void Embed(Launcher& l, const EmbedArgs& args) {
    const uint32_t blocks = args.rows * ((args.w.strips + kWarps - 1) / kWarps);
    Launch(l, EmbedKernel<kFormat>, blocks, kThreads, 0, args);
  }
  static constexpr bool kCodes = Codes<kFormat>::kHas;
  static constexpr LinearKernels kAll = {GemvRows,
                                         GatedRows,
                                         kCodes ? CodeRows : nullptr,
                                         kCodes ? GatedCodes : nullptr,
                                         Gemm,
                                         ManyRows,
                                         GatedMany,
                                         NarrowRows,
                                         GatedNarrow,
                                         FindWide(),
                                         Expand,
                                         Embed};
};

}  // namespace wring::cuda
