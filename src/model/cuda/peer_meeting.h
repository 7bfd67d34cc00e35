// A meeting of GPUs that reach each other's memory: sums there, and what is left to `gathers`. The GPUs must be one process's,
// at most kMaxPeers, and their memory open to each other.
#pragma once

#include <memory>

#include "model/cuda/meeting.h"

namespace wring {

Result<std::unique_ptr<Meeting>> MakePeerMeeting(CudaDevice& device, Link& link,
                                                 const Meeting::Memory& memory,
                                                 std::unique_ptr<Meeting> gathers);

}  // namespace wring
