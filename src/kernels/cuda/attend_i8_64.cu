#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_64 = LaunchAttend<CodecId::kI8, 64>;
}
