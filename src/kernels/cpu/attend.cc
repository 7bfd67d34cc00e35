#include "kernels/cpu/attend.h"

#include <algorithm>
#include <cmath>

#include "base/touched.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attend.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {
namespace {

// How a codec's elements are loaded and stored. A scaled one stores x / scale, with a scale a token.
struct ElementF32 {
  using T = float;
  static constexpr bool kScaled = false;
  static HWY_INLINE VF Load(const float* p) { return hn::LoadU(DF(), p); }
  static HWY_INLINE void StoreVector(VF v, float* p) { hn::StoreU(v, DF(), p); }
};
struct ElementF16 {
  using T = uint16_t;
  static constexpr bool kScaled = false;
  static HWY_INLINE VF Load(const uint16_t* p) { return LoadF16(p); }
  static HWY_INLINE void StoreVector(VF v, uint16_t* p) { StoreF16(v, p); }
};
struct ElementI8 {
  using T = int8_t;
  static constexpr bool kScaled = true;
  static HWY_INLINE VF Load(const int8_t* p) { return LoadI8(p); }
  static HWY_INLINE void StoreVector(VF v, int8_t* p) {
    const hn::Rebind<int8_t, DI> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(v)), d8, p);
  }
};

// The scales behind the panels of a head's keys or values.
template <class T>
HWY_INLINE float* Scales(T* panels, uint32_t padded) {
  return reinterpret_cast<float*>(panels + size_t{kBlockTokens} * padded);
}

// s[t] *= scale[t] for the tokens of a block that hold something, 16 at a time.
HWY_INLINE void MulScales(const float* scale, int tokens, float* s) {
  tokens = (tokens + 15) / 16 * 16;
  WRING_TOUCHES(kCacheRead, scale, tokens * sizeof(float));
  for (int t = 0; t < tokens; t += kLanes) {
    hn::StoreU(hn::Mul(hn::LoadU(DF(), s + t), hn::LoadU(DF(), scale + t)), DF(), s + t);
  }
}

// sum[i][n][p] over len steps: panels w + i * stride, [len][16], against x(n, k).
template <class E, int N, int kPanels, class X>
HWY_INLINE void Panels(const typename E::T* HWY_RESTRICT w, size_t stride, const X& x, int begin,
                       int end, VF (&sum)[kPanels][kParts][N]) {
  for (auto& panel : sum) {
    for (auto& part : panel) {
      for (auto& v : part) v = hn::Zero(DF());
    }
  }
  for (int i = 0; i < kPanels; ++i)
    WRING_TOUCHES(kCacheRead, w + i * stride + begin * 16, (end - begin) * 16 * sizeof(*w));
  for (int k = begin; k < end; ++k) {
    VF a[N];
    if constexpr (kPanels * kParts > 1) {
      WRING_UNROLL
      for (int n = 0; n < N; ++n) a[n] = Broadcast(x(n, k));
    }
    WRING_UNROLL
    for (int i = 0; i < kPanels; ++i) {
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        const VF v = E::Load(w + i * stride + k * 16 + p * kLanes);
        WRING_UNROLL
        for (int n = 0; n < N; ++n) {
          if constexpr (kPanels * kParts == 1) a[n] = Broadcast(x(n, k));
          sum[i][p][n] = hn::MulAdd(v, a[n], sum[i][p][n]);
        }
      }
    }
  }
}

// Few queries take several panels at once, so that there are enough independent chains (at least 8)
// for the multiply-adds, and never more accumulators than registers.
constexpr int PanelsAtOnce(int queries) {
  constexpr int kRegisters = HWY_TARGET == HWY_AVX3_DL ? 24 : 10;
  const int sums = queries * kParts;
  return sums * 4 <= kRegisters ? 4 : sums * 2 <= kRegisters ? 2 : 1;
}
uint32_t Width(uint32_t queries) {
  return static_cast<uint32_t>(PanelsAtOnce(static_cast<int>(queries)));
}

template <class E, int N, int kPanels>
HWY_INLINE void Scores(const typename E::T* keys, int head_dim, int padded, const float* q,
                       int panel, float (*s)[kBlockTokens]) {
  const auto x = [&](int n, int k) HWY_ATTR { return q + k * N + n; };
  VF sum[kPanels][kParts][N];
  for (int d0 = 0; d0 < head_dim; d0 += 64) {
    Panels<E, N, kPanels>(keys + size_t(panel) * padded * 16, size_t(padded) * 16, x, d0,
                          std::min(d0 + 64, head_dim), sum);
    WRING_UNROLL
    for (int i = 0; i < kPanels; ++i) {
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        WRING_UNROLL
        for (int n = 0; n < N; ++n) {
          float* at = s[n] + (panel + i) * 16 + p * kLanes;
          hn::StoreU(d0 == 0 ? sum[i][p][n] : hn::Add(hn::LoadU(DF(), at), sum[i][p][n]), DF(), at);
        }
      }
    }
  }
}

// Of panels [panel, panels): as many at once as there are.
template <class E, int N, int kPanels>
HWY_INLINE void AllScores(const typename E::T* keys, int head_dim, int padded, const float* q,
                          int panel, int panels, float (*s)[kBlockTokens]) {
  for (; panel + kPanels <= panels; panel += kPanels)
    Scores<E, N, kPanels>(keys, head_dim, padded, q, panel, s);
  if constexpr (kPanels > 1)
    AllScores<E, N, kPanels / 2>(keys, head_dim, padded, q, panel, panels, s);
}

// Turns scaled, capped, masked scores into weights in place; returns (max, sum).
HWY_INLINE void Softmax(float* s, uint32_t begin, uint32_t end, float scale, float softcap,
                        float* max, float* sum) {
  const DF df;
  const DI di;
  const VF low = hn::Set(df, -__builtin_inff());
  const auto seen = [&](uint32_t at) HWY_ATTR {
    const VI i = hn::Iota(di, static_cast<int32_t>(at));
    return hn::RebindMask(df, hn::And(hn::Gt(i, hn::Set(di, static_cast<int32_t>(begin) - 1)),
                                      hn::Lt(i, hn::Set(di, static_cast<int32_t>(end)))));
  };
  VF m = low;
  for (uint32_t i = 0; i < kBlockTokens; i += kLanes) {
    VF score = hn::Mul(hn::LoadU(df, s + i), hn::Set(df, scale));
    if (softcap > 0) score = SoftCapped(score, softcap);
    const VF v = hn::IfThenElse(seen(i), score, low);
    hn::StoreU(v, df, s + i);
    m = hn::Max(m, v);
  }
  *max = hn::GetLane(hn::MaxOfLanes(df, m));
  const VF peak = hn::Set(df, *max);
  float lanes[16];
  WRING_UNROLL
  for (int p = 0; p < kParts; ++p) {
    VF total = hn::Zero(df);
    for (uint32_t i = p * kLanes; i < kBlockTokens; i += 16) {
      const VF e = hn::IfThenElseZero(seen(i), Exp(hn::Sub(hn::LoadU(df, s + i), peak)));
      hn::StoreU(e, df, s + i);
      total = hn::Add(total, e);
    }
    hn::StoreU(total, df, lanes + p * kLanes);
  }
  *sum = Sum16(lanes);
}

template <class E, int N, int kPanels>
HWY_INLINE void Output(const typename E::T* values, int padded, int keys,
                       const float (*w)[kBlockTokens], int panel, float* out) {
  const auto x = [&](int n, int k) HWY_ATTR { return w[n] + k; };
  VF sum[kPanels][kParts][N];
  Panels<E, N, kPanels>(values + size_t(panel) * kBlockTokens * 16, size_t{kBlockTokens} * 16, x, 0,
                        keys, sum);
  WRING_UNROLL
  for (int i = 0; i < kPanels; ++i) {
    WRING_UNROLL
    for (int p = 0; p < kParts; ++p) {
      WRING_UNROLL
      for (int n = 0; n < N; ++n) {
        hn::StoreU(sum[i][p][n], DF(), out + size_t(n) * padded + (panel + i) * 16 + p * kLanes);
      }
    }
  }
}

template <class E, int N>
HWY_NOINLINE void BlockN(const AttendBlockArgs& a) {
  using T = typename E::T;
  constexpr int kPanels = PanelsAtOnce(N);
  const int head_dim = static_cast<int>(a.head_dim);
  const int padded = static_cast<int>(KvCodec::PaddedHead(a.head_dim));
  const auto* keys = reinterpret_cast<const T*>(a.keys);
  const auto* values = reinterpret_cast<const T*>(a.values);
  const int visible = static_cast<int>(*std::max_element(a.end, a.end + N));

  alignas(64) float s[N][kBlockTokens];
  // The block's later slots are zero or hold finite leftovers; Softmax masks what is not visible.
  AllScores<E, N, kPanels>(keys, head_dim, padded, a.q, 0, (visible + 15) / 16, s);
  WRING_UNROLL
  for (int n = 0; n < N; ++n) {
    if constexpr (E::kScaled) MulScales(Scales(const_cast<T*>(keys), padded), visible, s[n]);
    Softmax(s[n], a.begin[n], a.end[n], a.scale, a.softcap, a.max + n, a.sum + n);
    if constexpr (E::kScaled) MulScales(Scales(const_cast<T*>(values), padded), visible, s[n]);
  }
  int panel = 0;
  for (; panel + kPanels <= padded / 16; panel += kPanels) {
    Output<E, N, kPanels>(values, padded, visible, s, panel, a.out);
  }
  for (; panel < padded / 16; ++panel) Output<E, N, 1>(values, padded, visible, s, panel, a.out);
}

template <class E>
void Block(const AttendBlockArgs& a) {
  switch (a.count) {
    case 1: return BlockN<E, 1>(a);
    case 2: return BlockN<E, 2>(a);
    case 3: return BlockN<E, 3>(a);
    case 4: return BlockN<E, 4>(a);
    case 5: return BlockN<E, 5>(a);
    case 6: return BlockN<E, 6>(a);
    case 7: return BlockN<E, 7>(a);
    case 8: return BlockN<E, 8>(a);
    case 9: return BlockN<E, 9>(a);
    case 10: return BlockN<E, 10>(a);
    case 11: return BlockN<E, 11>(a);
    default: return BlockN<E, 12>(a);
  }
}

template <class E>
void Append(const float* key, const float* value, uint32_t head_dim, uint32_t slot, std::byte* keys,
            std::byte* values) {
  using T = typename E::T;
  const uint32_t padded = KvCodec::PaddedHead(head_dim);
  T* k = reinterpret_cast<T*>(keys) + size_t(slot / 16) * padded * 16 + slot % 16;
  T* v = reinterpret_cast<T*>(values) + size_t(slot) * 16;
  float inverse[2] = {1, 1};
  WRING_TOUCHES(kIn, key, head_dim * sizeof(float));
  WRING_TOUCHES(kIn, value, head_dim * sizeof(float));
  if constexpr (E::kScaled) {
    for (int which = 0; which < 2; ++which) {
      float largest = 0;
      for (uint32_t d = 0; d < head_dim; ++d) {
        largest = std::max(largest, std::abs((which == 0 ? key : value)[d]));
      }
      float* scale = Scales(reinterpret_cast<T*>(which == 0 ? keys : values), padded) + slot;
      WRING_TOUCHES(kCacheWritten, scale, sizeof(float));
      *scale = largest / 127;
      inverse[which] = largest > 0 ? 127 / largest : 0;
    }
  }
  for (uint32_t d = 0; d < head_dim; d += 16) {
    const uint32_t n = std::min<uint32_t>(16, head_dim - d);
    alignas(64) float row[16] = {};
    alignas(64) T stored[16];
    for (int which = 0; which < 2; ++which) {
      std::copy_n((which == 0 ? key : value) + d, n, row);
      WRING_UNROLL
      for (int p = 0; p < kParts; ++p) {
        const VF x = hn::LoadU(DF(), row + p * kLanes);
        E::StoreVector(E::kScaled ? hn::Mul(x, hn::Set(DF(), inverse[which])) : x,
                       stored + p * kLanes);
      }
      if (which == 0) {
        for (uint32_t i = 0; i < n; ++i) {
          WRING_TOUCHES(kCacheWritten, k + size_t(d + i) * 16, sizeof(T));
          k[size_t(d + i) * 16] = stored[i];
        }
      } else {
        WRING_TOUCHES(kCacheWritten, v + size_t(d / 16) * kBlockTokens * 16, sizeof(stored));
        std::copy_n(stored, 16, v + size_t(d / 16) * kBlockTokens * 16);
      }
    }
  }
}

void Merge(uint32_t count, uint32_t padded, float* max, float* sum, float* out,
           const float* later_max, const float* later_sum, const float* later_out) {
  const DF df;
  for (uint32_t n = 0; n < count; ++n) {
    if (later_sum[n] == 0.0F) continue;
    float* o = out + size_t(n) * padded;
    const float* lo = later_out + size_t(n) * padded;
    if (sum[n] == 0.0F) {
      max[n] = later_max[n];
      sum[n] = later_sum[n];
      std::copy_n(lo, padded, o);
      continue;
    }
    const float top = std::max(max[n], later_max[n]);
    const VF keep = Exp(hn::Set(df, max[n] - top));
    const VF add = Exp(hn::Set(df, later_max[n] - top));
    for (uint32_t i = 0; i < padded; i += kLanes) {
      const VF kept = hn::Mul(hn::LoadU(df, o + i), keep);
      hn::StoreU(hn::MulAdd(hn::LoadU(df, lo + i), add, kept), df, o + i);
    }
    sum[n] = sum[n] * hn::GetLane(keep) + later_sum[n] * hn::GetLane(add);
    max[n] = top;
  }
}

}  // namespace

void FillAttend(Kernels& k) {
  k.attend[static_cast<size_t>(CodecId::kF32)] = {Block<ElementF32>, Width, Append<ElementF32>,
                                                  Merge};
  k.attend[static_cast<size_t>(CodecId::kF16)] = {Block<ElementF16>, Width, Append<ElementF16>,
                                                  Merge};
  k.attend[static_cast<size_t>(CodecId::kI8)] = {Block<ElementI8>, Width, Append<ElementI8>, Merge};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(Attend)
#endif
