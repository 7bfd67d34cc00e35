#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_192 = LaunchAttend<CodecId::kI8, 192>;
}
