#include "kernels/cpu/elementwise.h"

#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/elementwise.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/math-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {
namespace {

// Sums f(x[i]) over a row: 4 x 16 lanes of partial sums (element i belongs to lane i % 64), added as
// ((0+1)+(2+3)) lane by lane, then Sum16. The order does not depend on the vector length.
template <class F>
HWY_INLINE float SumRow(const float* x, size_t n, const F& f) {
  const DF df;
  VF acc[4][kParts];
  for (auto& chain : acc) {
    for (auto& v : chain) v = hn::Zero(df);
  }
  for (size_t i = 0; i < n; i += 16) {
    for (int p = 0; p < kParts; ++p) {
      VF& a = acc[(i / 16) % 4][p];
      a = f(hn::LoadU(df, x + i + p * kLanes), a);
    }
  }
  float lanes[16];
  for (int p = 0; p < kParts; ++p) {
    hn::StoreU(hn::Add(hn::Add(acc[0][p], acc[1][p]), hn::Add(acc[2][p], acc[3][p])), df,
               lanes + p * kLanes);
  }
  return Sum16(lanes);
}

void RmsNorm(const float* x, const float* weight, float eps, size_t n, float* out) {
  const DF df;
  const float squares = SumRow(x, n, [](VF v, VF a) HWY_ATTR { return hn::MulAdd(v, v, a); });
  const float factor = 1.0F / __builtin_sqrtf(squares / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; i += kLanes) {
    const VF v = hn::Mul(hn::LoadU(df, x + i), hn::Set(df, factor));
    hn::StoreU(hn::Mul(v, hn::LoadU(df, weight + i)), df, out + i);
  }
}

void SiluMul(float* gate, const float* up, size_t n) {
  const DF df;
  for (size_t i = 0; i < n; i += kLanes) {
    const VF g = hn::LoadU(df, gate + i);
    const VF s = hn::Div(g, hn::Add(hn::Set(df, 1.0F), Exp(hn::Neg(g))));
    hn::StoreU(hn::Mul(s, hn::LoadU(df, up + i)), df, gate + i);
  }
}

void Rope(float* head, const float* cos, const float* sin, size_t half) {
  // The same roundings in every vector length: a tail shorter than a vector uses the same formula.
  const DF df;
  size_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const VF c = hn::LoadU(df, cos + i);
    const VF s = hn::LoadU(df, sin + i);
    const VF a = hn::LoadU(df, head + i);
    const VF b = hn::LoadU(df, head + half + i);
    hn::StoreU(hn::Sub(hn::Mul(a, c), hn::Mul(b, s)), df, head + i);
    hn::StoreU(hn::Add(hn::Mul(b, c), hn::Mul(a, s)), df, head + half + i);
  }
  for (; i < half; ++i) {
    const float a = head[i];
    const float b = head[half + i];
    head[i] = a * cos[i] - b * sin[i];
    head[half + i] = b * cos[i] + a * sin[i];
  }
}

// One block of 32 activations of one row, written at q (column groups `stride` bytes apart).
HWY_INLINE void QuantizeBlock(const float* x, size_t stride, int8_t* q, float* scale, float* sum,
                              int32_t* isum0, int32_t* isum1) {
  const DF df;
  const DI di;
  constexpr int kVectors = 32 / kLanes;
  VF v[kVectors];
  VF amax = hn::Zero(df);
  for (int i = 0; i < kVectors; ++i) {
    v[i] = hn::LoadU(df, x + i * kLanes);
    amax = hn::Max(amax, hn::Abs(v[i]));
  }
  const float peak = hn::GetLane(hn::MaxOfLanes(df, amax));
  const float s = peak / 127.0F;
  const float inverse = peak > 0 ? 127.0F / peak : 0.0F;
  int32_t codes[32];
  for (int i = 0; i < kVectors; ++i) {
    hn::StoreU(hn::NearestInt(hn::Mul(v[i], hn::Set(df, inverse))), di, codes + i * kLanes);
  }
  int32_t sums[2] = {0, 0};
  for (int g = 0; g < 8; ++g) {
    int8_t four[4];
    for (int j = 0; j < 4; ++j) {
      four[j] = static_cast<int8_t>(codes[4 * g + j]);
      sums[g / 4] += four[j];
    }
    __builtin_memcpy(q + g * stride, four, 4);
  }
  *scale = s;
  *isum0 = sums[0];
  *isum1 = sums[1];
  *sum = s * static_cast<float>(sums[0] + sums[1]);
}

void QuantizeTile(const float* const* x, uint32_t tile, uint32_t cols, int8_t* q, float* scale,
                  float* sum, int32_t* isum) {
  for (uint32_t b = 0; b < cols / kActBlock; ++b) {
    for (uint32_t n = 0; n < tile; ++n) {
      QuantizeBlock(x[n] + b * kActBlock, size_t{4} * tile, q + (b * 8 * tile + n) * 4,
                    scale + b * tile + n, sum + b * tile + n, isum + 2 * b * tile + n,
                    isum + (2 * b + 1) * tile + n);
    }
  }
}

void MaxSumExp(const float* x, size_t n, float* max, float* sum) {
  const DF df;
  VF m = hn::Set(df, -__builtin_inff());
  for (size_t i = 0; i < n / 16 * 16; i += kLanes) m = hn::Max(m, hn::LoadU(df, x + i));
  float peak = hn::GetLane(hn::MaxOfLanes(df, m));
  for (size_t i = n / 16 * 16; i < n; ++i) peak = x[i] > peak ? x[i] : peak;
  const VF p = hn::Set(df, peak);
  float total =
      SumRow(x, n / 16 * 16, [&](VF v, VF a) HWY_ATTR { return hn::Add(a, Exp(hn::Sub(v, p))); });
  for (size_t i = n / 16 * 16; i < n; ++i) total += hn::GetLane(Exp(hn::Set(df, x[i] - peak)));
  *max = peak;
  *sum = total;
}

}  // namespace

void FillElementwise(Kernels& k) {
  k.widest_tile = HWY_TARGET == HWY_AVX3_DL ? 12 : 8;
  k.elementwise = {RmsNorm, SiluMul, Rope, QuantizeTile, MaxSumExp};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(Elementwise)
#endif
