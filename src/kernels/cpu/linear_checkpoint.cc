// Linear kernels of what quantised checkpoints hold: 4-bit integers in groups, and 8-bit floats (float32 arithmetic
// only).
#include <algorithm>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/linear_checkpoint.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include "kernels/cpu/linear_f32-inl.h"
#include "kernels/cpu/register.h"

#if WRING_SIMD_TARGET
HWY_BEFORE_NAMESPACE();
namespace wring::cpu::HWY_NAMESPACE {

void FillLinearCheckpoint(Kernels& k) {
  k.linear[static_cast<size_t>(FormatId::kInt4G32)] = {
      LinearInt8<Int4<32>>, LinearStrips<WidenPacked<Int4<32>>>, DotEffort<Int4<32>>()};
  k.linear[static_cast<size_t>(FormatId::kInt4G128)] = {
      LinearInt8<Int4<128>>, LinearStrips<WidenPacked<Int4<128>>>, DotEffort<Int4<128>>()};
  k.linear[static_cast<size_t>(FormatId::kFp8G32)] = {nullptr, LinearStrips<WidenFp8<32>>};
  k.linear[static_cast<size_t>(FormatId::kFp8G128)] = {nullptr, LinearStrips<WidenFp8<128>>};
}

}  // namespace wring::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // WRING_SIMD_TARGET

#if HWY_ONCE
WRING_DEFINE_REGISTER(LinearCheckpoint)
#endif
