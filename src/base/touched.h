// Bytes that kernels read and write, noted where the loads and stores stand: what prices (analyze/cost.h) are held against.
// Only a build with WRING_COUNT_BYTES notes anything (`make count`); elsewhere the macro is nothing.
//
// A note is a range of memory and what it is to the op. Ranges of an op are united, so that what is read twice counts once:
// that is what must come from memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wring::touched {

enum class What : uint8_t { kWeights, kIn, kOut, kCacheRead, kCacheWritten };
inline constexpr size_t kWhats = 5;
using Bytes = std::array<uint64_t, kWhats>;  // by What

#ifdef WRING_COUNT_BYTES
inline constexpr bool kCounted = true;
#else
inline constexpr bool kCounted = false;
#endif

// Any thread.
void Note(What what, const void* from, size_t bytes);
// What all threads noted since the last call, united; while none of them notes.
Bytes Collect();
// Whether this thread notes nothing.
void SetPaused(bool paused);

// This thread notes nothing as long as one lives. They do not nest.
class Pause {
 public:
  Pause() { Set(true); }
  ~Pause() { Set(false); }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

 private:
  static void Set(bool paused) {
    if (kCounted) SetPaused(paused);
  }
};

}  // namespace wring::touched

#ifdef WRING_COUNT_BYTES
#define WRING_TOUCHES(what, from, bytes) \
  ::wring::touched::Note(::wring::touched::What::what, from, bytes)
#else
#define WRING_TOUCHES(what, from, bytes) static_cast<void>(0)
#endif
