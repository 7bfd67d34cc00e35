#include "bench/roof_kernels.h"

#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roof_kernels.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/cache_control.h>

#include "kernels/cpu/simd-inl.h"

// Tells the compiler that `v` has changed, so that nothing is taken out of a loop or folded.
#if defined(__x86_64__)
#define WRING_OPAQUE(v) asm volatile("" : "+v"((v).raw))
#else
#define WRING_OPAQUE(v) asm volatile("" : "+w"((v).raw))
#endif

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::bench::HWY_NAMESPACE {
namespace {

using namespace cpu::HWY_NAMESPACE;  // the 16-lane shapes

constexpr size_t kVector = 4 * kLanes;  // bytes
constexpr size_t kAhead = 1536;         // bytes prefetched ahead of a stream

template <int kStreams, bool kPrefetch>
uint64_t Read(const std::byte* from, size_t bytes) {
  const DI di;
  const size_t per = bytes / kStreams;
  VI sum[4] = {hn::Zero(di), hn::Zero(di), hn::Zero(di), hn::Zero(di)};
  for (size_t i = 0; i < per; i += 256) {
    for (int s = 0; s < kStreams; ++s) {
      const std::byte* at = from + s * per + i;
      if constexpr (kPrefetch) {
        WRING_UNROLL
        for (int line = 0; line < 4; ++line) hwy::Prefetch(at + kAhead + line * 64);
      }
      WRING_UNROLL
      for (size_t v = 0; v < 256 / kVector; ++v) {
        sum[v % 4] =
            hn::Xor(sum[v % 4], hn::LoadU(di, reinterpret_cast<const int32_t*>(at + v * kVector)));
      }
    }
  }
  const VI all = hn::Xor(hn::Xor(sum[0], sum[1]), hn::Xor(sum[2], sum[3]));
  return static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, all)));
}

// Independent chains: more than latency x issue rate (5 cycles x 2 ports), fewer than the registers.
constexpr int kChains = HWY_TARGET == HWY_AVX2 ? 10 : 12;

#if HWY_TARGET == HWY_AVX3_DL

HWY_INLINE VI Int8Step(VI sum, VI a, VI b) {
  return VI{_mm512_dpbusd_epi32(sum.raw, a.raw, b.raw)};
}
HWY_INLINE VI NarrowStep(VI sum, VI a, VI b) { return Int8Step(sum, a, b); }

#elif HWY_TARGET == HWY_AVX2

HWY_INLINE VI Int8Step(VI sum, VI a, VI b) {
  const __m256i pairs = _mm256_maddubs_epi16(a.raw, b.raw);
  return VI{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}
HWY_INLINE VI NarrowStep(VI sum, VI a, VI b) {
  return VI{_mm256_add_epi16(sum.raw, _mm256_maddubs_epi16(a.raw, b.raw))};
}

#else  // NEON

HWY_INLINE VI Int8Step(VI sum, VI a, VI b) {
  const int8x16_t x = vreinterpretq_s8_s32(a.raw);
  const int8x16_t y = vreinterpretq_s8_s32(b.raw);
  const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
  return VI{vpadalq_s16(sum.raw, vpaddq_s16(low, vmull_high_s8(x, y)))};
}
HWY_INLINE VI NarrowStep(VI sum, VI a, VI b) {
  const int8x16_t x = vreinterpretq_s8_s32(a.raw);
  const int8x16_t y = vreinterpretq_s8_s32(b.raw);
  int16x8_t s = vreinterpretq_s16_s32(sum.raw);
  s = vmlal_s8(s, vget_low_s8(x), vget_low_s8(y));
  return VI{vreinterpretq_s32_s16(vmlal_high_s8(s, x, y))};
}

#endif

template <class Step>
HWY_INLINE uint64_t Chains(uint64_t rounds, const Step& step) {
  const DI di;
  VI sum[kChains];
  WRING_UNROLL
  for (auto& s : sum) s = hn::Zero(di);
  VI a = hn::Set(di, 0x01020301);
  VI b = hn::Set(di, 0x02010102);
  for (uint64_t r = 0; r < rounds; ++r) {
    WRING_UNROLL
    for (auto& s : sum) {
      WRING_OPAQUE(a);
      s = step(s, a, b);
    }
  }
  VI all = hn::Zero(di);
  for (const auto& s : sum) all = hn::Add(all, s);
  return static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(di, all)));
}

uint64_t Int8(uint64_t rounds) {
  return Chains(rounds, [](VI s, VI a, VI b) HWY_ATTR { return Int8Step(s, a, b); });
}
uint64_t Narrow(uint64_t rounds) {
  return Chains(rounds, [](VI s, VI a, VI b) HWY_ATTR { return NarrowStep(s, a, b); });
}

uint64_t Fp32(uint64_t rounds) {
  const DF df;
  VF sum[kChains];
  WRING_UNROLL
  for (auto& s : sum) s = hn::Zero(df);
  VF a = hn::Set(df, 1e-3F);
  const VF b = hn::Set(df, 1e-3F);
  for (uint64_t r = 0; r < rounds; ++r) {
    WRING_UNROLL
    for (auto& s : sum) {
      WRING_OPAQUE(a);
      s = hn::MulAdd(a, b, s);
    }
  }
  VF all = hn::Zero(df);
  for (const auto& s : sum) all = hn::Add(all, s);
  return static_cast<uint64_t>(hn::GetLane(hn::SumOfLanes(df, all)));
}

}  // namespace

RoofKernels Fill() {
  RoofKernels k;
  k.read[0] = Read<1, false>;
  k.read[1] = Read<1, true>;
  k.read[2] = Read<2, false>;
  k.read[3] = Read<2, true>;
  k.read[4] = Read<4, false>;
  k.read[5] = Read<4, true>;
  k.int8 = Int8;
  k.narrow = Narrow;
  k.fp32 = Fp32;
  k.bits = 8 * static_cast<int>(kVector);
  k.int8_ops = k.narrow_ops = 2.0 * kChains * kVector;  // a multiply and an add a byte
  k.fp32_ops = 2.0 * kChains * kLanes;
  return k;
}

}  // namespace wring::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
namespace wring::bench {

RoofKernels RoofKernelsFor([[maybe_unused]] cpu::Isa isa) {
#if defined(__x86_64__)
  return isa == cpu::Isa::kAvx512 ? N_AVX3_DL::Fill() : N_AVX2::Fill();
#else
  return N_NEON::Fill();
#endif
}

std::string PatternName(int pattern, int bits) {
  constexpr int kStreams[] = {1, 2, 4};
  const int streams = kStreams[pattern / 2];
  return fmt::format("{} stream{}{}, {} bits", streams, streams > 1 ? "s" : "",
                     pattern % 2 == 1 ? ", prefetch" : "", bits);
}

}  // namespace wring::bench
#endif
