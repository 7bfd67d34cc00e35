#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_256 = LaunchAttendWide<256>;
}  // namespace wring::cuda
