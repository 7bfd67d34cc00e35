// The devices of this machine by the names that users give them.
#pragma once

#include <string_view>

#include "tensor/buffer.h"

namespace wring {

// "cpu"; "cuda" or "cuda:N", a GPU; "auto", the first GPU where there is one. Errors say what is missing.
Result<Device*> FindDevice(std::string_view name);

}  // namespace wring
