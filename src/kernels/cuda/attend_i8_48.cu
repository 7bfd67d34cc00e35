#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_i8_48 = LaunchAttend<CodecId::kI8, 48>;
}
