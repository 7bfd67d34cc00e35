// How late the I/O loop is: a timer fires every 10 ms and notes by how much it missed its time. What blocks the
// loop, a handler or too many streams, shows here as it shows to a client. Written by the loop, read from any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace wring::server {

class Pulse {
 public:
  static constexpr std::chrono::milliseconds kEvery{10};
  // Upper edges in microseconds; the last bucket has none.
  static constexpr std::array<uint32_t, 12> kEdges = {
      100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000, 50'000, 100'000, 200'000, 500'000};

  struct Reading {
    std::array<uint64_t, kEdges.size() + 1> buckets = {};
    uint64_t count = 0;
    uint64_t max_us = 0;
    uint64_t sum_us = 0;

    // The upper edge in microseconds of the bucket where the share `p` of all beats ends; the maximum in the
    // last bucket. 0 when there was no beat.
    uint64_t Percentile(double p) const {
      uint64_t seen = 0;
      for (size_t i = 0; i < buckets.size(); ++i) {
        seen += buckets[i];
        if (seen > 0 && static_cast<double>(seen) >= p * static_cast<double>(count)) {
          return i < kEdges.size() ? std::min<uint64_t>(kEdges[i], max_us) : max_us;
        }
      }
      return max_us;
    }
  };

  void Record(std::chrono::nanoseconds late) {
    const auto us = static_cast<uint64_t>(std::max<int64_t>(0, late.count() / 1000));
    const auto bucket = std::lower_bound(kEdges.begin(), kEdges.end(), us) - kEdges.begin();
    buckets_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(us, std::memory_order_relaxed);
    // One writer, so this needs no loop.
    if (us > max_us_.load(std::memory_order_relaxed)) max_us_.store(us, std::memory_order_relaxed);
  }

  Reading Read() const {
    Reading reading;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      reading.buckets[i] = buckets_[i].load(std::memory_order_relaxed);
      reading.count += reading.buckets[i];
    }
    reading.sum_us = sum_us_.load(std::memory_order_relaxed);
    reading.max_us = max_us_.load(std::memory_order_relaxed);
    return reading;
  }

 private:
  std::array<std::atomic<uint64_t>, kEdges.size() + 1> buckets_ = {};
  std::atomic<uint64_t> max_us_{0}, sum_us_{0};
};

}  // namespace wring::server
