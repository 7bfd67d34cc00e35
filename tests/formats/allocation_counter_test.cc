#include "allocation_counter.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <vector>

namespace {
thread_local int64_t live = 0;
thread_local int64_t peak = 0;

void* Counted(std::size_t size) {
  void* data = std::malloc(size);
  if (data == nullptr) throw std::bad_alloc();
  live += static_cast<int64_t>(malloc_usable_size(data));
  if (live > peak) peak = live;
  return data;
}

void Release(void* data) {
  if (data == nullptr) return;
  live -= static_cast<int64_t>(malloc_usable_size(data));
  std::free(data);
}
}  // namespace

void* operator new(std::size_t size) { return Counted(size); }
void* operator new[](std::size_t size) { return Counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return Counted(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* data, const std::nothrow_t&) noexcept { Release(data); }
void operator delete(void* data) noexcept { Release(data); }
void operator delete[](void* data) noexcept { Release(data); }
void operator delete(void* data, std::size_t) noexcept { Release(data); }
void operator delete[](void* data, std::size_t) noexcept { Release(data); }

namespace wring::testing {

AllocationScope::AllocationScope() : start_(live) { ::peak = live; }
uint64_t AllocationScope::peak() const { return static_cast<uint64_t>(::peak - start_); }

TEST(AllocationCounter, SeesAVector) {
  AllocationScope scope;
  { std::vector<char> bytes(1 << 20); }
  EXPECT_GE(scope.peak(), 1U << 20);
  EXPECT_LT(scope.peak(), 2U << 20);
}

}  // namespace wring::testing
