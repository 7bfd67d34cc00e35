// Per-target: float32 linear kernels: weights of any format widened to float32, activations float32.
// Plain types read their panels directly in decode; block types (and many rows) go through a strip of
// the panel expanded to float32, which stays in L1.
#if defined(WRING_KERNELS_CPU_LINEAR_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WRING_KERNELS_CPU_LINEAR_F32_INL_H_
#undef WRING_KERNELS_CPU_LINEAR_F32_INL_H_
#else
#define WRING_KERNELS_CPU_LINEAR_F32_INL_H_
#endif

#include "kernels/cpu/linear_int8-inl.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

struct PlainF32 {
  using Element = float;
  static HWY_INLINE VF Load(const float* p) { return hn::LoadU(DF(), p); }
};
struct PlainF16 {
  using Element = uint16_t;
  static HWY_INLINE VF Load(const uint16_t* p) { return LoadF16(p); }
};
struct PlainBF16 {
  using Element = uint16_t;
  static HWY_INLINE VF Load(const uint16_t* p) { return LoadBF16(p); }
};

// sum[n] = the segment's dot products: weights [len][16] of P against activations [len][N].
template <class P, int N>
HWY_INLINE void Segment(const typename P::Element* HWY_RESTRICT w, const float* HWY_RESTRICT x,
                        int len, VF (&sum)[N]) {
  WRING_UNROLL
  for (int n = 0; n < N; ++n) sum[n] = hn::Zero(DF());
  for (int k = 0; k < len; ++k) {
    const VF v = P::Load(w + k * 16);
    WRING_UNROLL
    for (int n = 0; n < N; ++n) sum[n] = hn::MulAdd(v, Broadcast(x + k * N + n), sum[n]);
  }
}

// Decode over plain panels: four panels (or fewer at the end) at once, so that independent chains
// cover the latency of the multiply-add.
template <class P, int kPanels>
HWY_NOINLINE void DirectPlain(const PackedMatrix& w, const F32Acts& x, uint32_t panel,
                              const LinearOutput& out) {
  const DF df;
  const int cols = static_cast<int>(x.cols);
  const typename P::Element* base[kPanels];
  VF total[kPanels][kParts];
  WRING_UNROLL
  for (int i = 0; i < kPanels; ++i) {
    base[i] = reinterpret_cast<const typename P::Element*>(w.panel(panel + i));
    WRING_UNROLL
    for (int p = 0; p < kParts; ++p) total[i][p] = hn::Zero(df);
  }
  for (int k0 = 0; k0 < cols; k0 += kF32Segment) {
    const int end = std::min<int>(k0 + kF32Segment, cols);
    VF sum[kPanels][kParts];
    WRING_UNROLL
    for (int i = 0; i < kPanels; ++i) {
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) sum[i][p] = hn::Zero(df);
    }
    for (int k = k0; k < end; ++k) {
      const VF a = Broadcast(x.x + k);
      WRING_UNROLL
      for (int i = 0; i < kPanels; ++i) {
        __builtin_prefetch(reinterpret_cast<const std::byte*>(base[i] + k * 16) + kAhead);
        WRING_TOUCHES(kWeights, base[i] + k * 16, 16 * sizeof(*base[i]));
        WRING_UNROLL
        for (int p = 0; p < kParts; ++p) {
          sum[i][p] = hn::MulAdd(P::Load(base[i] + k * 16 + p * kLanes), a, sum[i][p]);
        }
      }
    }
    WRING_UNROLL
    for (int i = 0; i < kPanels; ++i) {
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) total[i][p] = hn::Add(total[i][p], sum[i][p]);
    }
  }
  WRING_UNROLL
  for (int i = 0; i < kPanels; ++i) {
    WRING_UNROLL
    for (int p = 0; p < kParts; ++p) {
      const VF one[1] = {total[i][p]};
      StoreTile<1>(one, p, 0, panel + i, out);
    }
  }
}

// Widens columns [k0, k0 + len) of a panel to float32 [len][16].
template <class P>
struct WidenPlain {
  static void Strip(const std::byte* panel, int k0, int len, float* HWY_RESTRICT out) {
    const auto* w = reinterpret_cast<const typename P::Element*>(panel) + k0 * 16;
    WRING_TOUCHES(kWeights, w, len * 16 * sizeof(*w));
    for (int i = 0; i < len * 16; i += kLanes) hn::StoreU(P::Load(w + i), DF(), out + i);
  }
};
// The reference's roundings: symmetric types multiply once, types with a min multiply, then add.
template <class F>
struct WidenPacked {
  static void Strip(const std::byte* panel, int k0, int len, float* HWY_RESTRICT out) {
    const DF df;
    const DI di;
    const auto* blocks = reinterpret_cast<const typename F::Packed*>(panel);
    for (int k = k0 / 32; k < (k0 + len) / 32; ++k) {
      const typename F::Packed& block = blocks[k / F::kTiles];
      WRING_TOUCHES(kWeights, &block, sizeof(block));
      const int t = k % F::kTiles;
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        WRING_UNROLL
        for (int g = 0; g < 8; ++g) {
          const VF scale = F::Scale(block, t, p, g * 4 / F::kSegment);
          const VF min = F::Min(block, t, p, g * 4 / F::kSegment);
          const VI words = hn::BitCast(di, F::Codes(block, t, p, g));
          const VI codes[4] = {hn::And(words, hn::Set(di, 255)),
                               hn::And(hn::ShiftRight<8>(words), hn::Set(di, 255)),
                               hn::And(hn::ShiftRight<16>(words), hn::Set(di, 255)),
                               hn::And(hn::ShiftRight<24>(words), hn::Set(di, 255))};
          WRING_UNROLL
          for (int j = 0; j < 4; ++j) {
            const VF q = hn::ConvertTo(df, hn::Sub(codes[j], hn::Set(di, F::kOffset)));
            VF v = hn::Mul(scale, q);
            if constexpr (F::kMin) v = hn::Add(v, min);
            hn::StoreU(v, df, out + ((k * 32 - k0) + g * 4 + j) * 16 + p * kLanes);
          }
        }
      }
    }
  }
};

// 8-bit floats, see fp8::Value.
template <uint32_t kGroup>
struct WidenFp8 {
  static void Strip(const std::byte* panel, int k0, int len, float* HWY_RESTRICT out) {
    const DF df;
    const DI di;
    const hn::Rebind<uint8_t, DI> d8;
    const auto* blocks = reinterpret_cast<const fp8::Packed<kGroup>*>(panel);
    constexpr int kTiles = kGroup / 32;
    for (int k = k0 / 32; k < (k0 + len) / 32; ++k) {
      const auto& block = blocks[k / kTiles];
      WRING_TOUCHES(kWeights, &block, sizeof(block));
      for (int c = 0; c < 32; ++c) {
        WRING_UNROLL
        for (int p = 0; p < kParts; ++p) {
          const uint8_t* q = block.tile[k % kTiles].q[c] + p * kLanes;
          const VI code = hn::PromoteTo(di, hn::LoadU(d8, q));
          const VI sign = hn::ShiftLeft<24>(hn::And(code, hn::Set(di, 0x80)));
          const VI rest = hn::ShiftLeft<20>(hn::And(code, hn::Set(di, 0x7f)));
          const VF v = hn::Mul(hn::BitCast(df, hn::Or(sign, rest)), hn::Set(df, 0x1p120F));
          hn::StoreU(hn::Mul(v, hn::LoadU(df, block.scale + p * kLanes)), df,
                     out + ((k * 32 - k0) + c) * 16 + p * kLanes);
        }
      }
    }
  }
};

// Adds the strip's segments to partial [N][16] of one activation tile.
template <int N>
HWY_NOINLINE void StripStep(const float* HWY_RESTRICT strip, const float* HWY_RESTRICT x, int len,
                            float* HWY_RESTRICT partial) {
  const DF df;
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) {
    for (int k0 = 0; k0 < len; k0 += kF32Segment) {
      VF sum[N];
      Segment<PlainF32, N>(strip + k0 * 16 + p * kLanes, x + k0 * N,
                           std::min<int>(kF32Segment, len - k0), sum);
      WRING_UNROLL
      for (int n = 0; n < N; ++n) {
        float* at = partial + n * 16 + p * kLanes;
        hn::StoreU(hn::Add(hn::LoadU(df, at), sum[n]), df, at);
      }
    }
  }
}

template <int N>
HWY_INLINE void StorePartial(const float* partial, uint32_t row, uint32_t panel,
                             const LinearOutput& out) {
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) {
    VF v[N];
    WRING_UNROLL
    for (int n = 0; n < N; ++n) v[n] = hn::LoadU(DF(), partial + n * 16 + p * kLanes);
    StoreTile<N>(v, p, row, panel, out);
  }
}

#define WRING_TILE_SWITCH(n, CALL) \
  switch (n) {                     \
    case 12: CALL(12); break;      \
    case 8: CALL(8); break;        \
    case 4: CALL(4); break;        \
    case 2: CALL(2); break;        \
    default: CALL(1); break;       \
  }

constexpr int kStrip = 512;  // columns: 32 KiB of float32
constexpr uint32_t kPartialRows = (480 << 10) / 64;

template <class Widen>
void LinearStrips(const PackedMatrix& w, const F32Acts& x, const LinearOutput& out, uint32_t begin,
                  uint32_t end, std::byte* scratch) {
  auto* strip = reinterpret_cast<float*>(scratch);
  auto* partial = reinterpret_cast<float*>(scratch + kStrip * 64);
  std::byte* packed = scratch + kStrip * 64 + kPartialRows * 64;
  for (uint32_t i = begin; i < end; ++i) {
    const std::byte* panel = PanelBytes(w, i, packed);
    for (uint32_t row0 = 0; row0 < x.rows; row0 += kPartialRows) {
      // kPartialRows is a multiple of every tile width, so tiles do not straddle it.
      const uint32_t rows = std::min(kPartialRows, x.rows - row0);
      std::fill_n(partial, rows * 16, 0.0F);
      for (int k0 = 0; k0 < static_cast<int>(x.cols); k0 += kStrip) {
        const int len = std::min<int>(kStrip, static_cast<int>(x.cols) - k0);
        Widen::Strip(panel, k0, len, strip);
        for (uint32_t r = 0; r < rows;) {
          const uint32_t n = TileRows(rows - r, kWidestTile);
          const float* tile = x.x + uint64_t{row0 + r} * x.cols + uint64_t(k0) * n;
#define WRING_CALL(N) StripStep<N>(strip, tile, len, partial + r * 16)
          WRING_TILE_SWITCH(n, WRING_CALL)
#undef WRING_CALL
          r += n;
        }
      }
      for (uint32_t r = 0; r < rows;) {
        const uint32_t n = TileRows(rows - r, kWidestTile);
#define WRING_CALL(N) StorePartial<N>(partial + r * 16, row0 + r, i, out)
        WRING_TILE_SWITCH(n, WRING_CALL)
#undef WRING_CALL
        r += n;
      }
    }
  }
}

template <class P>
void LinearPlain(const PackedMatrix& w, const F32Acts& x, const LinearOutput& out, uint32_t begin,
                 uint32_t end, std::byte* scratch) {
  if (x.rows == 1 && w.panels != nullptr) {
    uint32_t i = begin;
    for (; i + 4 <= end; i += 4) DirectPlain<P, 4>(w, x, i, out);
    for (; i < end; ++i) DirectPlain<P, 1>(w, x, i, out);
    return;
  }
  LinearStrips<WidenPlain<P>>(w, x, out, begin, end, scratch);
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
