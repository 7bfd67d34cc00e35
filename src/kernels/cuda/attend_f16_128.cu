#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_128 = LaunchAttend<CodecId::kF16, 128>;
extern const AttendManyLaunch kAttendMany_128 = LaunchAttendMany<128>;
}  // namespace wring::cuda
