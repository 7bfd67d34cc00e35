// Linear kernels of Q2_K, Q3_K.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_small_k.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearSmallK(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kQ2_K)] = {
      LinearInt8<Q2_K>, LinearStrips<WidenPacked<Q2_K>>, DotEffort<Q2_K>()};
  k.linear[static_cast<size_t>(FormatId::kQ3_K)] = {
      LinearInt8<Q3_K>, LinearStrips<WidenPacked<Q3_K>>, DotEffort<Q3_K>()};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearSmallK)
#endif
