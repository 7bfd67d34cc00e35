#include "base/touched.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

namespace wring::touched {
namespace {

struct Range {
  uintptr_t begin, end;
};
struct Notes {
  std::array<std::vector<Range>, kWhats> ranges;
  bool paused = false;
};

std::mutex mutex;
std::vector<std::shared_ptr<Notes>> all;  // of every thread that ever noted

Notes& Mine() {
  thread_local const std::shared_ptr<Notes> mine = [] {
    auto notes = std::make_shared<Notes>();
    const std::lock_guard lock(mutex);
    all.push_back(notes);
    return notes;
  }();
  return *mine;
}

}  // namespace

void Note(What what, const void* from, size_t bytes) {
  Notes& notes = Mine();
  if (notes.paused || bytes == 0) return;
  const auto begin = reinterpret_cast<uintptr_t>(from);
  auto& ranges = notes.ranges[static_cast<size_t>(what)];
  if (!ranges.empty() && ranges.back().end == begin) {
    ranges.back().end += bytes;
  } else {
    ranges.push_back({begin, begin + bytes});
  }
}

Bytes Collect() {
  const std::lock_guard lock(mutex);
  Bytes bytes{};
  for (size_t w = 0; w < kWhats; ++w) {
    std::vector<Range> ranges;
    for (const auto& notes : all) {
      ranges.insert(ranges.end(), notes->ranges[w].begin(), notes->ranges[w].end());
      notes->ranges[w].clear();
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& a, const Range& b) { return a.begin < b.begin; });
    uintptr_t counted = 0;  // up to here
    for (const Range& r : ranges) {
      if (r.end <= counted) continue;
      bytes[w] += r.end - std::max(r.begin, counted);
      counted = r.end;
    }
  }
  return bytes;
}

void SetPaused(bool paused) { Mine().paused = paused; }

}  // namespace wring::touched
