// Per-target: int8 linear kernels for one packed type, see linear.h for the arithmetic.
// Few rows read the packed panel directly (decode: each byte of the matrix is read once). Many rows
// expand a panel to one byte a code and float scales once, then every activation tile reads that: the
// unpacking is paid once a panel instead of once a tile.
#if defined(WRING_KERNELS_CPU_LINEAR_INT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WRING_KERNELS_CPU_LINEAR_INT8_INL_H_
#undef WRING_KERNELS_CPU_LINEAR_INT8_INL_H_
#else
#define WRING_KERNELS_CPU_LINEAR_INT8_INL_H_
#endif

#include <type_traits>

#include "base/touched.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/unpack-inl.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

// The widest activation tile: its int32 and float accumulators, a code vector and temporaries fit the
// register file (32 of AVX-512: 12 + 12 + few). With 16 registers the float sums live in L1.
constexpr int kWidestTile = HWY_TARGET == HWY_AVX3_DL ? 12 : 8;
// Decode waits for memory. The hardware's prefetcher stops at a page's end and starts anew with each panel;
// asking this many bytes ahead, over the panel's end into the next one, keeps loads under way.
constexpr size_t kAhead = 4096;

// A tile of 16 rows x 32 columns, expanded.
struct NoMin {};
template <int kSegments>
struct WithMin {
  float min[kSegments][16];
};
template <class F>
struct Expanded : std::conditional_t<F::kMin, WithMin<32 / F::kSegment>, NoMin> {
  static constexpr int kSegments = 32 / F::kSegment;
  uint8_t q[8][16][4];
  float scale[kSegments][16];
};

// What codes carry beyond the signed weight after DotGroups.
template <class F>
constexpr int32_t ResidualOffset() {
  return F::kBits == 8 && !kFullUnsigned ? 0 : F::kOffset;
}

template <class F>
HWY_INLINE VI Bias(const int32_t* isum16, int seg, int n, int N) {
  if constexpr (ResidualOffset<F>() == 0) return hn::Zero(DI());
  int32_t sum = isum16[seg * N + n];
  if constexpr (F::kSegment == 32) sum += isum16[N + n];
  return hn::Set(DI(), -ResidualOffset<F>() * sum);
}

// One tile x N activation rows into acc: the only place where the order of float operations stands.
template <class F, int N, class Codes, class Scale, class Min>
HWY_INLINE void TileStep(VF (&acc)[N], const Codes& codes, const Scale& scale, const Min& min,
                         const int8_t* HWY_RESTRICT q, const float* HWY_RESTRICT a_scale,
                         const float* HWY_RESTRICT a_sum, const int32_t* HWY_RESTRICT isum16) {
  const DF df;
  VI i0[N];
  WRING_UNROLL
  for (int n = 0; n < N; ++n) i0[n] = Bias<F>(isum16, 0, n, N);
  if constexpr (F::kSegment == 32) {
    DotGroups<F::kBits, N, 8>(i0, codes, q);
    const VF s = scale(0);
    WRING_UNROLL
    for (int n = 0; n < N; ++n) {
      acc[n] = hn::MulAdd(hn::ConvertTo(df, i0[n]), hn::Mul(s, Broadcast(a_scale + n)), acc[n]);
    }
  } else {
    DotGroups<F::kBits, N, 4>(i0, codes, q);
    const VF s0 = scale(0);
    VF f[N];
    WRING_UNROLL
    for (int n = 0; n < N; ++n) f[n] = hn::Mul(hn::ConvertTo(df, i0[n]), s0);
    VI i1[N];
    WRING_UNROLL
    for (int n = 0; n < N; ++n) i1[n] = Bias<F>(isum16, 1, n, N);
    DotGroups<F::kBits, N, 4>(
        i1, [&](int g) HWY_ATTR { return codes(g + 4); }, q + 16 * N);
    const VF s1 = scale(1);
    WRING_UNROLL
    for (int n = 0; n < N; ++n) {
      f[n] = hn::MulAdd(hn::ConvertTo(df, i1[n]), s1, f[n]);
      acc[n] = hn::MulAdd(f[n], Broadcast(a_scale + n), acc[n]);
    }
  }
  if constexpr (F::kMin && F::kSegment == 32) {
    const VF m = min(0);
    WRING_UNROLL
    for (int n = 0; n < N; ++n) acc[n] = hn::MulAdd(m, Broadcast(a_sum + n), acc[n]);
  } else if constexpr (F::kMin) {
    WRING_UNROLL
    for (int seg = 0; seg < 2; ++seg) {
      const VF m = min(seg);
      WRING_UNROLL
      for (int n = 0; n < N; ++n) {
        const float sum = a_scale[n] * static_cast<float>(isum16[seg * N + n]);
        acc[n] = hn::MulAdd(m, hn::Set(df, sum), acc[n]);
      }
    }
  }
}

// How much TileStep has to do for a row, beside plain dot products of as many codes: what its instructions are counted for.
template <class F>
constexpr double DotEffort() {
  constexpr double kSegments = 32 / F::kSegment;
  double instructions = 8 * DotInstructions(F::kBits, 8 / kSegments);
  instructions += kSegments * (ResidualOffset<F>() == 0 ? 2 : 3);  // bias, conversion, sum
  instructions += 1;                                               // the row's scale
  if (F::kMin) instructions += kSegments == 1 ? 1 : 4;
  return instructions / (8 * kPlainDotInstructions);
}

// Pointers to the activations of one tile of N rows.
struct TileActs {
  const int8_t* q;
  const float* scale;
  const float* sum;
  const int32_t* isum;
};
HWY_INLINE TileActs ActsAt(const Int8Acts& x, uint32_t row) {
  const uint64_t blocks = x.cols / kActBlock;
  return {x.q + uint64_t{row} * x.cols, x.scale + row * blocks, x.sum + row * blocks,
          x.isum + 2 * row * blocks};
}

// Stores 16 lanes x N rows with bias and residual.
template <int N>
HWY_INLINE void StoreTile(const VF (&acc)[N], int part, uint32_t row, uint32_t panel,
                          const LinearOutput& out) {
  const DF df;
  const uint64_t column = uint64_t{panel} * kPanelRows + part * kLanes;
  WRING_UNROLL
  for (int n = 0; n < N; ++n) {
    VF v = acc[n];
    if (out.bias != nullptr) {
      WRING_TOUCHES(kWeights, out.bias + column, kLanes * sizeof(float));
      v = hn::Add(v, hn::LoadU(df, out.bias + column));
    }
    const uint64_t at = (row + n) * out.ld + column;
    if (out.residual != nullptr) {
      WRING_TOUCHES(kIn, out.residual + at, kLanes * sizeof(float));
      v = hn::Add(v, hn::LoadU(df, out.residual + at));
    }
    WRING_TOUCHES(kOut, out.y + at, kLanes * sizeof(float));
    hn::StoreU(v, df, out.y + at);
  }
}

template <class F, int N>
HWY_NOINLINE void Direct(const std::byte* panel_bytes, const Int8Acts& x, uint32_t row,
                         uint32_t panel, const LinearOutput& out) {
  const TileActs a = ActsAt(x, row);
  const auto* blocks = reinterpret_cast<const typename F::Packed*>(panel_bytes);
  const int count = static_cast<int>(x.cols / (32 * F::kTiles));
  VF acc[kParts][N];
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) {
    WRING_UNROLL
    for (int n = 0; n < N; ++n) acc[p][n] = hn::Zero(DF());
  }
  constexpr size_t kStep = sizeof(typename F::Packed) / F::kTiles;
  for (int b = 0; b < count; ++b) {
    const typename F::Packed& block = blocks[b];
    WRING_TOUCHES(kWeights, &block, sizeof(block));
    for (int t = 0; t < F::kTiles; ++t) {
      const int k = b * F::kTiles + t;
      WRING_UNROLL
      for (size_t line = 0; line < kStep; line += 64) {
        __builtin_prefetch(panel_bytes + static_cast<size_t>(k) * kStep + kAhead + line);
      }
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        TileStep<F, N>(
            acc[p], [&](int g) HWY_ATTR { return F::Codes(block, t, p, g); },
            [&](int seg) HWY_ATTR { return F::Scale(block, t, p, seg); },
            [&](int seg) HWY_ATTR { return F::Min(block, t, p, seg); }, a.q + k * 32 * N,
            a.scale + k * N, a.sum + k * N, a.isum + 2 * k * N);
      }
    }
  }
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) StoreTile<N>(acc[p], p, row, panel, out);
}

template <class F>
HWY_NOINLINE void Expand(const std::byte* panel_bytes, uint32_t cols, Expanded<F>* out) {
  const auto* blocks = reinterpret_cast<const typename F::Packed*>(panel_bytes);
  const int count = static_cast<int>(cols / (32 * F::kTiles));
  for (int b = 0; b < count; ++b) {
    WRING_TOUCHES(kWeights, blocks + b, sizeof(*blocks));
    for (int t = 0; t < F::kTiles; ++t, ++out) {
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        WRING_UNROLL
        for (int g = 0; g < 8; ++g) {
          hn::StoreU(F::Codes(blocks[b], t, p, g), DU8(), &out->q[g][0][0] + p * kPartBytes);
        }
        WRING_UNROLL
        for (int s = 0; s < Expanded<F>::kSegments; ++s) {
          hn::StoreU(F::Scale(blocks[b], t, p, s), DF(), out->scale[s] + p * kLanes);
          if constexpr (F::kMin) {
            hn::StoreU(F::Min(blocks[b], t, p, s), DF(), out->min[s] + p * kLanes);
          }
        }
      }
    }
  }
}

template <class F, int N>
HWY_NOINLINE void FromExpanded(const Expanded<F>* tiles, const Int8Acts& x, uint32_t row,
                               uint32_t panel, const LinearOutput& out) {
  const TileActs a = ActsAt(x, row);
  const int count = static_cast<int>(x.cols / 32);
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) {
    VF acc[N];
    WRING_UNROLL
    for (int n = 0; n < N; ++n) acc[n] = hn::Zero(DF());
    for (int k = 0; k < count; ++k) {
      const Expanded<F>& tile = tiles[k];
      TileStep<F, N>(
          acc, [&](int g) HWY_ATTR { return hn::LoadU(DU8(), &tile.q[g][0][0] + p * kPartBytes); },
          [&](int seg) HWY_ATTR { return hn::LoadU(DF(), tile.scale[seg] + p * kLanes); },
          [&](int seg) HWY_ATTR {
            if constexpr (F::kMin) return hn::LoadU(DF(), tile.min[seg] + p * kLanes);
            return hn::Zero(DF());
          },
          a.q + k * 32 * N, a.scale + k * N, a.sum + k * N, a.isum + 2 * k * N);
    }
    StoreTile<N>(acc, p, row, panel, out);
  }
}

// The panel's bytes: where it lies, or packed now into scratch for a matrix kept as stored.
HWY_INLINE const std::byte* PanelBytes(const PackedMatrix& w, uint32_t i, std::byte* scratch) {
  if (w.panels != nullptr) return w.panel(i);
  w.PackInto(i, scratch);
  return scratch;
}

template <class F>
void LinearInt8(const PackedMatrix& w, const Int8Acts& x, const LinearOutput& out, uint32_t begin,
                uint32_t end, std::byte* scratch) {
  std::byte* packed = scratch + RoundUp<size_t>((x.cols / 32) * sizeof(Expanded<F>), 64);
  for (uint32_t i = begin; i < end; ++i) {
    const std::byte* panel = PanelBytes(w, i, packed);
    const bool direct = x.rows <= kDirectRows;
    auto* tiles = reinterpret_cast<Expanded<F>*>(scratch);
    if (!direct) Expand<F>(panel, x.cols, tiles);
    for (uint32_t row = 0; row < x.rows;) {
      const uint32_t n = TileRows(x.rows - row, kWidestTile);
      switch (n) {
        case 12: FromExpanded<F, 12>(tiles, x, row, i, out); break;
        case 8: FromExpanded<F, 8>(tiles, x, row, i, out); break;
        case 4:
          direct ? Direct<F, 4>(panel, x, row, i, out) : FromExpanded<F, 4>(tiles, x, row, i, out);
          break;
        case 2:
          direct ? Direct<F, 2>(panel, x, row, i, out) : FromExpanded<F, 2>(tiles, x, row, i, out);
          break;
        default:
          direct ? Direct<F, 1>(panel, x, row, i, out) : FromExpanded<F, 1>(tiles, x, row, i, out);
          break;
      }
      row += n;
    }
  }
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
