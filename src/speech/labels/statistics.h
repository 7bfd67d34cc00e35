// What a conversation's labels say about its timing: how much of it is silent, how much overlaps, how long its pauses,
// overlaps and segments are, how the floor passes from speaker to speaker.
//
// Terms. A speaker's segments are merged first where they touch or overlap each other. The *floor* is the segment that
// ends last among those begun so far. A segment that ends no later than the floor is *embedded* (a backchannel); any
// other takes the floor: after a pause of the same speaker, after a pause of another, or overlapping another's end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "speech/labels/segment.h"

namespace wring::speech {

struct Coverage {
  Micros total = 0;    // from 0 to the end of the recording
  Micros speech = 0;   // at least one speaks
  Micros overlap = 0;  // at least two speak
  double silence_ratio() const;
  double overlap_ratio() const;  // of speech
};

// Segments in any order; `total` is at least the last end.
Coverage CoverageOf(std::span<const Segment> segments, Micros total);

struct SessionShape {
  double silence = 0, overlap = 0;  // ratios
  uint32_t speakers = 0;
  double dominance_std = 0;  // of the speakers' shares of all speech
};

// Of one recording or of many; lengths in seconds, in no order.
struct Statistics {
  double hours = 0;
  std::vector<SessionShape> sessions;
  std::vector<double> segments, silences, overlaps;  // silences lie between speech
  std::vector<double> same_pauses, change_pauses, change_overlaps;
  std::vector<double> floor_lengths, embedded_lengths;
  uint64_t changes = 0,
           followers =
               0;  // of segments by start: another speaker than the one before; all but the first

  double embedded_share() const;      // of all segments but the first of each recording
  double change_probability() const;  // of segments that take the floor
  double overlap_given_change() const;
};

// `total`: the recording's length; 0: its last end.
void AddRecording(const Recording& recording, Micros total, Statistics* to);

// The largest distance between two empirical distribution functions (Kolmogorov and Smirnov). Neither may be empty.
double KsDistance(std::vector<double> a, std::vector<double> b);

}  // namespace wring::speech
