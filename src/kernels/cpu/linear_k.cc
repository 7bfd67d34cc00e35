// Linear kernels of Q4_K, Q5_K, Q6_K.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_k.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearK(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kQ4_K)] = {
      LinearInt8<Q4_K>, LinearStrips<WidenPacked<Q4_K>>, DotEffort<Q4_K>()};
  k.linear[static_cast<size_t>(FormatId::kQ5_K)] = {
      LinearInt8<Q5_K>, LinearStrips<WidenPacked<Q5_K>>, DotEffort<Q5_K>()};
  k.linear[static_cast<size_t>(FormatId::kQ6_K)] = {
      LinearInt8<Q6_K>, LinearStrips<WidenPacked<Q6_K>>, DotEffort<Q6_K>()};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearK)
#endif
