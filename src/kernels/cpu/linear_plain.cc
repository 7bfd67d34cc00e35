// Linear kernels of float32, float16, bfloat16.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_plain.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearPlain(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kF32)] = {nullptr, LinearPlain<PlainF32>};
  k.linear[static_cast<size_t>(FormatId::kF16)] = {nullptr, LinearPlain<PlainF16>};
  k.linear[static_cast<size_t>(FormatId::kBF16)] = {nullptr, LinearPlain<PlainBF16>};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearPlain)
#endif
