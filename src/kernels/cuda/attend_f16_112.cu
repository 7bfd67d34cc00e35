#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/attend_many.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_112 = LaunchAttend<CodecId::kF16, 112>;
extern const AttendManyLaunch kAttendMany_112 = LaunchAttendMany<112>;
}  // namespace wring::cuda
