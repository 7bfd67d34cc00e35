#include "kernels/cuda/attend.cuh"

namespace wring::cuda {
extern const AttendLaunch kAttend_f16_48 = LaunchAttend<CodecId::kF16, 48>;
}
