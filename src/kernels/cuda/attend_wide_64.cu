#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_64 = LaunchAttendWide<64>;
}  // namespace wring::cuda
