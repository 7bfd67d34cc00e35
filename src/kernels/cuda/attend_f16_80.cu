#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_80 = LaunchAttend<CodecId::kF16, 80>;
extern const AttendManyLaunch kAttendMany_80 = LaunchAttendMany<80>;
}  // namespace wring::cuda
