#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_192 = LaunchAttendWide<192>;
}  // namespace wring::cuda
