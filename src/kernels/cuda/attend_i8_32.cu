#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_32 = LaunchAttend<CodecId::kI8, 32>;
}
