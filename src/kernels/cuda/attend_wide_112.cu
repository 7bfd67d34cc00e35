#include "kernels/cuda/attend_wide.cuh"

namespace wring::cuda {
extern const AttendWideLaunch kAttendWide_112 = LaunchAttendWide<112>;
}  // namespace wring::cuda
