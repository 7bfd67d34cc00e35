// Counts what operator new hands out on this thread; defined in allocation_counter_test.cc.
#pragma once

#include <cstdint>

namespace wring::testing {

// Peak of live bytes allocated by this thread since the scope began.
class AllocationScope {
 public:
  AllocationScope();
  uint64_t peak() const;

 private:
  int64_t start_;
};

}  // namespace wring::testing
