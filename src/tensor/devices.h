// The devices of this machine by the names that users give them.
#pragma once

#include <string_view>

#include "tensor/buffer.h"

namespace wring {

// "cpu"; "cuda" or "cuda:N", a GPU; "auto", the first GPU where there is one. Errors say what is missing.
Result<Device*> FindDevice(std::string_view name);

// The device of the host's `place`-th rank: GPUs are dealt out in turn, so that several ranks share one where there are
// too few.
Result<Device*> DeviceOfRank(DeviceKind kind, uint32_t place);

}  // namespace wring
