// Ranks that are threads of one process.
#pragma once

#include <memory>
#include <vector>

#include "ranks/link.h"

namespace wring {

// One link a rank; each is for one thread at a time.
std::vector<std::unique_ptr<Link>> MakeThreadLinks(uint32_t ranks);

}  // namespace wring
