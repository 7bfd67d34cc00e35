// Where a figure was measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace wring::bench {

struct Machine {
  std::string cpu;          // as the kernel names it
  std::string_view isa;     // the instruction set that kernels run with
  uint32_t processors = 0;  // this process may use
};

Machine ThisMachine();
// Of NVIDIA's driver; "unknown" where there is none.
std::string NvidiaDriver();
// The source's commit, "-dirty" when it was changed; "unknown" outside a checkout.
std::string_view Commit();
// kLimit when the machine has less than `bytes` to give (it may otherwise promise pages it lacks).
Status CheckMemory(uint64_t bytes, std::string_view what);

}  // namespace wring::bench
