#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_80 = LaunchAttendWide<80>;
}  // namespace wring::cuda
