// Ranks that are processes which mpirun of Open MPI started. Its library is loaded when it is used.
#pragma once

#include <memory>

#include "ranks/link.h"

namespace wring {

// The ranks that mpirun started beside this process; 1 when it did not.
uint32_t MpiRanks();
uint32_t MpiRank();
// Which of this host's ranks it is.
uint32_t MpiLocalRank();

// The process's link. kNotFound when the library is absent.
Result<std::unique_ptr<Link>> OpenMpiLink();

}  // namespace wring
