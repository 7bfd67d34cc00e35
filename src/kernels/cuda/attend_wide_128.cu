#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_128 = LaunchAttendWide<128>;
}  // namespace wring::cuda
