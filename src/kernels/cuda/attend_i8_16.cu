#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_16 = LaunchAttend<CodecId::kI8, 16>;
}
