// Per-target: exp, and the soft cap made of it.
#if defined(WRING_KERNELS_CPU_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WRING_KERNELS_CPU_MATH_INL_H_
#undef WRING_KERNELS_CPU_MATH_INL_H_
#else
#define WRING_KERNELS_CPU_MATH_INL_H_
#endif

#include "kernels/cpu/simd-inl.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

// exp(x) within 2 units in the last place for x in [-87.3, 88.7]; smaller x give 0, larger give the
// value at 88.7; NaN stays NaN. x = n ln2 + r, |r| <= ln2 / 2, and the series of e^r to r^7 has a
// relative remainder below 2^-27.
HWY_INLINE VF Exp(VF x) {
  const DF df;
  const DI di;
  const auto tiny = hn::Lt(x, hn::Set(df, -87.3F));
  const auto huge = hn::Gt(x, hn::Set(df, 88.7F));
  VF v = hn::IfThenElse(huge, hn::Set(df, 88.7F), hn::IfThenElse(tiny, hn::Zero(df), x));
  const VF n = hn::Round(hn::Mul(v, hn::Set(df, 1.44269504088896341F)));
  VF r = hn::NegMulAdd(n, hn::Set(df, 0.693145751953125F), v);
  r = hn::NegMulAdd(n, hn::Set(df, 1.42860682030941723e-6F), r);
  VF p = hn::Set(df, 1.0F / 5040);
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F / 720));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F / 120));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F / 24));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F / 6));
  p = hn::MulAdd(p, r, hn::Set(df, 0.5F));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F));
  p = hn::MulAdd(p, r, hn::Set(df, 1.0F));
  // 2^n in two factors, since n may be 128 where 2^n alone is infinite.
  const VI half = hn::ShiftRight<1>(hn::ConvertTo(di, n));
  const VI rest = hn::Sub(hn::ConvertTo(di, n), half);
  const auto pow2 = [&](VI e) HWY_ATTR {
    return hn::BitCast(df, hn::ShiftLeft<23>(hn::Add(e, hn::Set(di, 127))));
  };
  const VF result = hn::Mul(hn::Mul(p, pow2(half)), pow2(rest));
  return hn::IfThenZeroElse(tiny, result);
}

// cap * tanh(x / cap) = cap - 2 cap / (1 + exp(2 x / cap)); absolute error about cap * 2^-23.
HWY_INLINE VF SoftCapped(VF x, float cap) {
  const DF df;
  const VF e = Exp(hn::Mul(x, hn::Set(df, 2.0F / cap)));
  return hn::Sub(hn::Set(df, cap), hn::Div(hn::Set(df, 2.0F * cap), hn::Add(hn::Set(df, 1.0F), e)));
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET
#endif  // toggle guard
