#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_256 = LaunchAttend<CodecId::kI8, 256>;
}
