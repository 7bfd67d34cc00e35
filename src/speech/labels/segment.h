// Who speaks when. A segment is a half-open span [start, end) in which one speaker is heard; a
// recording is all the segments of one sound file. Time is counted in microseconds as integers, so
// that the text formats, which write decimals of a second, are read, added up and written without
// rounding: 0.1 s + 0.2 s is 0.3 s.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace wring::speech {

using Micros = int64_t;

inline constexpr Micros kMicrosPerSecond = 1'000'000;
// The latest time that is read: 1e7 s, 115 days. The time of 9 million speakers fits an int64_t.
inline constexpr Micros kMaxMicros = 10'000'000 * kMicrosPerSecond;

inline double Seconds(Micros time) { return static_cast<double>(time) / 1e6; }
// The nearest microsecond; `seconds` is finite and within the range of Micros.
inline Micros MicrosOf(double seconds) { return std::llround(seconds * 1e6); }

// A half-open piece of time. Invariant: end > start.
struct Span {
  Micros start = 0, end = 0;

  friend bool operator==(const Span&, const Span&) = default;
};

// Invariant: end > start.
struct Segment {
  Micros start = 0, end = 0;
  std::string speaker;

  friend bool operator==(const Segment&, const Segment&) = default;
};

// The order of a recording's segments: by start, then end, then speaker.
inline bool operator<(const Segment& a, const Segment& b) {
  return std::tie(a.start, a.end, a.speaker) < std::tie(b.start, b.end, b.speaker);
}

// Invariant: the segments are in order. Segments of different speakers may overlap; those of one
// speaker should not (rttm.h checks and merges), but every reader of them takes them as a union.
struct Recording {
  std::string name;
  std::vector<Segment> segments;

  friend bool operator==(const Recording&, const Recording&) = default;
};

}  // namespace wring::speech
