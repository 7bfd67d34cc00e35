// What time it is: the system's steady clock, or one that a replay sets.
#pragma once

#include <atomic>
#include <chrono>

namespace wring {

class Clock {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual time_point Now() const { return std::chrono::steady_clock::now(); }
};

// Stands still until it is told. One thread sets it at a time; any reads it.
class SetClock final : public Clock {
 public:
  time_point Now() const override { return time_point(now_.load(std::memory_order_acquire)); }
  // By so much at least: whoever waits for a moment gets there.
  void Advance(double seconds) {
    now_.store(now_.load(std::memory_order_relaxed) +
                   std::chrono::ceil<time_point::duration>(std::chrono::duration<double>(seconds)),
               std::memory_order_release);
  }

 private:
  std::atomic<time_point::duration> now_{time_point::duration(0)};
};

}  // namespace wring
