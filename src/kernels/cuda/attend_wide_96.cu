#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_96 = LaunchAttendWide<96>;
}  // namespace wring::cuda
