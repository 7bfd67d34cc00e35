#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_112 = LaunchAttend<CodecId::kF16, 112>;
}
