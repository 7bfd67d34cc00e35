#include "kernels/cpu/elementwise.h"

#include "base/touched.h"
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

// A row that an op reads and writes: the same one, or two.
HWY_INLINE void Notes([[maybe_unused]] const float* in, [[maybe_unused]] const float* out,
                      [[maybe_unused]] size_t n) {
  WRING_TOUCHES(kIn, in, n * sizeof(float));
  WRING_TOUCHES(kOut, out, n * sizeof(float));
}

void RmsNorm(const float* x, const float* weight, float eps, size_t n, float* out) {
  const DF df;
  Notes(x, out, n);
  WRING_TOUCHES(kWeights, weight, n * sizeof(float));
  const float squares = SumRow(x, n, [](VF v, VF a) HWY_ATTR { return hn::MulAdd(v, v, a); });
  const float factor = 1.0F / __builtin_sqrtf(squares / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; i += kLanes) {
    const VF v = hn::Mul(hn::LoadU(df, x + i), hn::Set(df, factor));
    hn::StoreU(hn::Mul(v, hn::LoadU(df, weight + i)), df, out + i);
  }
}

void LayerNorm(const float* x, const float* weight, const float* bias, float eps, size_t n,
               float* out) {
  const DF df;
  Notes(x, out, n);
  WRING_TOUCHES(kWeights, weight, n * sizeof(float));
  WRING_TOUCHES(kWeights, bias, n * sizeof(float));
  // Rows are padded with zeros: the sum is right, and the padding's squares (mean^2 each) go off again.
  const float mean =
      SumRow(x, n, [](VF v, VF a) HWY_ATTR { return hn::Add(a, v); }) / static_cast<float>(n);
  const VF m = hn::Set(df, mean);
  float squares = SumRow(x, n, [&](VF v, VF a) HWY_ATTR {
    const VF d = hn::Sub(v, m);
    return hn::MulAdd(d, d, a);
  });
  squares -= static_cast<float>((n + 15) / 16 * 16 - n) * mean * mean;
  const float factor = 1.0F / __builtin_sqrtf(squares / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; i += kLanes) {
    const VF v = hn::Mul(hn::Sub(hn::LoadU(df, x + i), m), hn::Set(df, factor));
    hn::StoreU(hn::MulAdd(v, hn::LoadU(df, weight + i), hn::LoadU(df, bias + i)), df, out + i);
  }
  for (size_t i = n; i < (n + 15) / 16 * 16; ++i) out[i] = 0;
}

// gelu(x) = x / 2 * (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2 / pi) * (x + 0.044715 x^3).
void GeluMul(float* gate, const float* up, size_t n) {
  const DF df;
  Notes(gate, gate, n);
  WRING_TOUCHES(kIn, up, n * sizeof(float));
  for (size_t i = 0; i < n; i += kLanes) {
    const VF g = hn::LoadU(df, gate + i);
    const VF cube = hn::Mul(hn::Mul(g, g), hn::Set(df, 0.044715F));
    const VF u2 = hn::Mul(hn::MulAdd(cube, g, g), hn::Set(df, -1.5957691216F));
    const VF s = hn::Div(g, hn::Add(hn::Set(df, 1.0F), Exp(u2)));
    hn::StoreU(hn::Mul(s, hn::LoadU(df, up + i)), df, gate + i);
  }
}

// erfc(z) = t (a1 + t (a2 + ...)) exp(-z^2), t = 1 / (1 + p z), z >= 0: Abramowitz and Stegun 7.1.26, absolute
// error below 1.5e-7.
void Gelu(float* x, size_t n) {
  const DF df;
  Notes(x, x, n);
  const auto c = [&](float v) HWY_ATTR { return hn::Set(df, v); };
  for (size_t i = 0; i < n; i += kLanes) {
    const VF v = hn::LoadU(df, x + i);
    const VF z = hn::Mul(hn::Abs(v), c(0.70710678F));
    const VF t = hn::Div(c(1.0F), hn::MulAdd(z, c(0.3275911F), c(1.0F)));
    VF poly = hn::MulAdd(t, c(1.061405429F), c(-1.453152027F));
    poly = hn::MulAdd(t, poly, c(1.421413741F));
    poly = hn::MulAdd(t, poly, c(-0.284496736F));
    poly = hn::MulAdd(t, poly, c(0.254829592F));
    // The part that erfc takes off x (x > 0) or is what remains of it (x < 0).
    const VF half_tail =
        hn::Mul(hn::Mul(hn::Mul(v, c(0.5F)), hn::Mul(t, poly)), Exp(hn::Neg(hn::Mul(z, z))));
    hn::StoreU(hn::IfThenElse(hn::Gt(v, hn::Zero(df)), hn::Sub(v, half_tail), half_tail), df,
               x + i);
  }
}

void Add(float* x, const float* y, size_t n) {
  const DF df;
  Notes(x, x, n);
  WRING_TOUCHES(kIn, y, n * sizeof(float));
  for (size_t i = 0; i < n; i += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(df, x + i), hn::LoadU(df, y + i)), df, x + i);
  }
}

void SoftCap(float* x, float cap, size_t n) {
  const DF df;
  Notes(x, x, n);
  for (size_t i = 0; i < n; i += kLanes) {
    hn::StoreU(SoftCapped(hn::LoadU(df, x + i), cap), df, x + i);
  }
}

void SiluMul(float* gate, const float* up, size_t n) {
  const DF df;
  Notes(gate, gate, n);
  WRING_TOUCHES(kIn, up, n * sizeof(float));
  for (size_t i = 0; i < n; i += kLanes) {
    const VF g = hn::LoadU(df, gate + i);
    const VF s = hn::Div(g, hn::Add(hn::Set(df, 1.0F), Exp(hn::Neg(g))));
    hn::StoreU(hn::Mul(s, hn::LoadU(df, up + i)), df, gate + i);
  }
}

void Rope(float* head, const float* cos, const float* sin, size_t half) {
  Notes(head, head, 2 * half);
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
      WRING_TOUCHES(kIn, x[n] + b * kActBlock, kActBlock * sizeof(float));
      QuantizeBlock(x[n] + b * kActBlock, size_t{4} * tile, q + (b * 8 * tile + n) * 4,
                    scale + b * tile + n, sum + b * tile + n, isum + 2 * b * tile + n,
                    isum + (2 * b + 1) * tile + n);
    }
  }
}

using DU32 = hn::RebindToUnsigned<DF>;
using VU32 = hn::Vec<DU32>;

// The two halves of a * b, 32 bits each.
HWY_INLINE void MulWide(VU32 a, VU32 b, VU32* high, VU32* low) {
  const hn::Repartition<uint64_t, DU32> d64;
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(hn::BitCast(DU32(), hn::ShiftRight<32>(hn::BitCast(d64, a))),
                               hn::BitCast(DU32(), hn::ShiftRight<32>(hn::BitCast(d64, b))));
  *high = hn::OddEven(hn::BitCast(DU32(), odd), hn::BitCast(DU32(), hn::ShiftRight<32>(even)));
  *low = hn::OddEven(hn::BitCast(DU32(), hn::ShiftLeft<32>(odd)), hn::BitCast(DU32(), even));
}

void Philox(uint64_t key, const uint32_t counter[3], uint32_t first, size_t n, uint32_t* out) {
  const DU32 d;
  uint32_t words[kLanes];
  for (size_t i = 0; i < n; i += kLanes) {
    VU32 c0 = hn::Set(d, counter[0]);
    VU32 c1 = hn::Set(d, counter[1]);
    VU32 c2 = hn::Set(d, counter[2]);
    VU32 c3 = hn::Iota(d, first + static_cast<uint32_t>(i));
    auto k0 = static_cast<uint32_t>(key);
    auto k1 = static_cast<uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      VU32 high0, low0, high1, low1;
      MulWide(hn::Set(d, 0xD2511F53U), c0, &high0, &low0);
      MulWide(hn::Set(d, 0xCD9E8D57U), c2, &high1, &low1);
      c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
      c1 = low1;
      c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
      c3 = low0;
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
    if (i + kLanes <= n) {
      hn::StoreU(c0, d, out + i);
    } else {
      hn::StoreU(c0, d, words);
      std::copy_n(words, n - i, out + i);
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
  k.elementwise = {RmsNorm, LayerNorm, SiluMul,      GeluMul, Gelu,     Add,
                   SoftCap, Rope,      QuantizeTile, Philox,  MaxSumExp};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(Elementwise)
#endif
