// The devices of this machine by the names that users give them.
#pragma once

#include <string_view>

#include "tensor/buffer.h"

namespace wring {

// "cpu"; "cuda" or "cuda:N", a GPU; "auto", the first GPU where there is one. Errors say what is missing.
Result<Device*> FindDevice(std::string_view name);

// To be called before any device is looked for where ranks will be threads of this process: CUDA otherwise loads a kernel
// when it first runs, which holds up all threads until a GPU has nothing to do, and so for ever when that GPU waits for
// another one whose thread is held up.
void LoadKernelsAtOnce();

// The device of the host's `place`-th rank: GPUs are dealt out in turn, so that several ranks share one where there are
// too few.
Result<Device*> DeviceOfRank(DeviceKind kind, uint32_t place);

}  // namespace wring
