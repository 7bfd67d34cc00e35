// Linear kernels of IQ4_NL, IQ4_XS, MXFP4.
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_table.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearTable(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kIQ4_NL)] = {
      LinearInt8<IQ4_NL>, LinearStrips<WidenPacked<IQ4_NL>>, DotEffort<IQ4_NL>()};
  k.linear[static_cast<size_t>(FormatId::kIQ4_XS)] = {
      LinearInt8<IQ4_XS>, LinearStrips<WidenPacked<IQ4_XS>>, DotEffort<IQ4_XS>()};
  k.linear[static_cast<size_t>(FormatId::kMXFP4)] = {
      LinearInt8<MXFP4>, LinearStrips<WidenPacked<MXFP4>>, DotEffort<MXFP4>()};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearTable)
#endif
