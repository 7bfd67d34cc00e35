#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_96 = LaunchAttend<CodecId::kF16, 96>;
extern const AttendManyLaunch kAttendMany_96 = LaunchAttendMany<96>;
}  // namespace wring::cuda
