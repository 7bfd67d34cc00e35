// Linear kernels of Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_simple.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearSimple(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kQ8_0)] = {
      LinearInt8<Q8_0>, LinearStrips<WidenPacked<Q8_0>>, DotEffort<Q8_0>()};
  k.linear[static_cast<size_t>(FormatId::kQ4_0)] = {
      LinearInt8<Q4_0>, LinearStrips<WidenPacked<Q4_0>>, DotEffort<Q4_0>()};
  k.linear[static_cast<size_t>(FormatId::kQ4_1)] = {
      LinearInt8<Q4_1>, LinearStrips<WidenPacked<Q4_1>>, DotEffort<Q4_1>()};
  k.linear[static_cast<size_t>(FormatId::kQ5_0)] = {
      LinearInt8<Q5_0>, LinearStrips<WidenPacked<Q5_0>>, DotEffort<Q5_0>()};
  k.linear[static_cast<size_t>(FormatId::kQ5_1)] = {
      LinearInt8<Q5_1>, LinearStrips<WidenPacked<Q5_1>>, DotEffort<Q5_1>()};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearSimple)
#endif
