#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_64 = LaunchAttend<CodecId::kF16, 64>;
extern const AttendManyLaunch kAttendMany_64 = LaunchAttendMany<64>;
}  // namespace wring::cuda
