// Per-target: the 16-lane shape that every kernel is written in, and the few instructions Highway 1.0.3
// does not name. Included once a target by foreach_target.
#include <hwy/highway.h>

#include <cstdint>

#if defined(WRING_KERNELS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WRING_KERNELS_CPU_SIMD_INL_H_
#undef WRING_KERNELS_CPU_SIMD_INL_H_
#else
#define WRING_KERNELS_CPU_SIMD_INL_H_
#endif

#if HWY_TARGET == HWY_AVX3_DL
// Highway 1.0.3 names "avxvnni" (the 256-bit extension of other processors) where it means
// "avx512vnni". Its own functions carry that list, so ours is the same and one more.
#undef HWY_TARGET_STR
#define HWY_TARGET_STR \
  HWY_TARGET_STR_AVX3  \
  ",vpclmulqdq,avx512vbmi,avx512vbmi2,vaes,avxvnni,avx512bitalg,avx512vpopcntdq,avx512vnni"
#endif

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kLanes = HWY_LANES(float) < 16 ? HWY_LANES(float) : 16;
constexpr int kParts = 16 / kLanes;  // vectors in 16 lanes

using DF = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<DF>;
using DU8 = hn::Repartition<uint8_t, DF>;
using DI8 = hn::Repartition<int8_t, DF>;
using DI16 = hn::Repartition<int16_t, DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using VU8 = hn::Vec<DU8>;
using VI8 = hn::Vec<DI8>;
using VI16 = hn::Vec<DI16>;

HWY_INLINE VF Broadcast(const float* p) { return hn::Set(DF(), *p); }

// Four neighbouring int8 activations in every 32-bit lane.
HWY_INLINE VI8 BroadcastGroup(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return hn::BitCast(DI8(), hn::Set(DI(), word));
}

// kLanes values widened to float32.
HWY_INLINE VF LoadF16(const uint16_t* p) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  return hn::PromoteTo(DF(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}
HWY_INLINE VF LoadBF16(const uint16_t* p) {
  const hn::Rebind<uint16_t, DI> d16;
  return hn::BitCast(DF(), hn::ShiftLeft<16>(hn::PromoteTo(DI(), hn::LoadU(d16, p))));
}
HWY_INLINE VF LoadU8(const uint8_t* p) {
  const hn::Rebind<uint8_t, DI> d8;
  return hn::ConvertTo(DF(), hn::PromoteTo(DI(), hn::LoadU(d8, p)));
}
HWY_INLINE VF LoadI8(const int8_t* p) {
  const hn::Rebind<int8_t, DI> d8;
  return hn::ConvertTo(DF(), hn::PromoteTo(DI(), hn::LoadU(d8, p)));
}
HWY_INLINE void StoreF16(VF v, uint16_t* p) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  hn::StoreU(hn::DemoteTo(d16, v), d16, reinterpret_cast<hwy::float16_t*>(p));
}

// Adds 16 lanes in one fixed tree whatever the vector length: halves of 16, 8, 4, 2.
HWY_INLINE float Sum16(const float* lanes) {
  float s[8];
  WRING_UNROLL
  for (int i = 0; i < 8; ++i) s[i] = lanes[i] + lanes[i + 8];
  WRING_UNROLL
  for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// ---- int8 dot products ----
// Codes are unsigned; the signed offset goes off through the activations' sums, or, for 8-bit codes
// where the instruction set has no unsigned x signed dot without saturation, by flipping the top bit.
#if HWY_TARGET == HWY_AVX3_DL
constexpr bool kFullUnsigned = true;
#else
constexpr bool kFullUnsigned = false;
#endif

#if HWY_TARGET == HWY_AVX2
// vpmaddubsw saturates at 32767 and vpmaddwd widens. A pair of products of `bits`-wide codes is at most
// 2 * (2^bits - 1) * 127, so this many may be added in 16 bits before widening: 8 * 3810 = 30480 for
// 4 bits, 4 * 7874 = 31496 for 5, 2 * 16002 = 32004 for 6.
constexpr int Deferred(int bits) { return bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1; }
#endif

// Instructions that DotGroups takes for a vector of codes and an activation row, its loads left out.
constexpr double DotInstructions(int bits, int groups) {
#if HWY_TARGET == HWY_AVX3_DL
  return 1 + 0 * (bits + groups);
#elif HWY_TARGET == HWY_AVX2
  if (bits == 8) return 4;
  const double deferred = Deferred(bits) < groups ? Deferred(bits) : groups;
  return (deferred + (deferred - 1) + 2) / deferred;
#else
  return 4 + 0 * (bits + groups);
#endif
}
// Those of a dot product that needs nothing beside: what the roof of int8 arithmetic is measured with.
constexpr double kPlainDotInstructions = HWY_TARGET == HWY_AVX3_DL ? 1
                                         : HWY_TARGET == HWY_AVX2  ? 3
                                                                   : 4;

// Adds, for each of N activation rows, the dot products of column groups [0, kGroups) to ia[n].
// w(g) gives the codes of group g; a points at the activations of group 0 of an N-row tile.
template <int kBits, int N, int kGroups, class W>
HWY_INLINE void DotGroups(VI (&ia)[N], const W& w, const int8_t* HWY_RESTRICT a) {
#if HWY_TARGET == HWY_AVX3_DL
  WRING_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const VU8 codes = w(g);
    WRING_UNROLL
    for (int n = 0; n < N; ++n) {
      ia[n] =
          VI{_mm512_dpbusd_epi32(ia[n].raw, codes.raw, BroadcastGroup(a + (g * N + n) * 4).raw)};
    }
  }
#elif HWY_TARGET == HWY_AVX2
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kBits == 8) {
    WRING_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      // |w| x sign(a, w): 2 * 128 * 127 = 32512 does not saturate.
      const __m256i signed_codes = _mm256_xor_si256(w(g).raw, _mm256_set1_epi8(-128));
      const __m256i magnitude = _mm256_abs_epi8(signed_codes);
      WRING_UNROLL
      for (int n = 0; n < N; ++n) {
        const __m256i s = _mm256_sign_epi8(BroadcastGroup(a + (g * N + n) * 4).raw, signed_codes);
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, s);
        ia[n] = VI{_mm256_add_epi32(ia[n].raw, _mm256_madd_epi16(pairs, ones))};
      }
    }
  } else {
    constexpr int kDefer = Deferred(kBits) < kGroups ? Deferred(kBits) : kGroups;
    WRING_UNROLL
    for (int g0 = 0; g0 < kGroups; g0 += kDefer) {
      __m256i s[N];
      WRING_UNROLL
      for (int i = 0; i < kDefer; ++i) {
        const __m256i codes = w(g0 + i).raw;
        WRING_UNROLL
        for (int n = 0; n < N; ++n) {
          const __m256i p =
              _mm256_maddubs_epi16(codes, BroadcastGroup(a + ((g0 + i) * N + n) * 4).raw);
          s[n] = i == 0 ? p : _mm256_add_epi16(s[n], p);
        }
      }
      WRING_UNROLL
      for (int n = 0; n < N; ++n) {
        ia[n] = VI{_mm256_add_epi32(ia[n].raw, _mm256_madd_epi16(s[n], ones))};
      }
    }
  }
#else  // NEON
  WRING_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    int8x16_t codes = vreinterpretq_s8_u8(w(g).raw);
    if constexpr (kBits == 8) codes = veorq_s8(codes, vdupq_n_s8(-128));
    WRING_UNROLL
    for (int n = 0; n < N; ++n) {
      const int8x16_t x = BroadcastGroup(a + (g * N + n) * 4).raw;
      const int16x8_t low = vmull_s8(vget_low_s8(codes), vget_low_s8(x));
      const int16x8_t high = vmull_high_s8(codes, x);
      ia[n] = VI{vpadalq_s16(ia[n].raw, vpaddq_s16(low, high))};
    }
  }
#endif
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
