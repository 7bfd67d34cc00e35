// From probabilities of frames to segments of speech.
#pragma once

#include <span>
#include <vector>

#include "speech/labels/segment.h"

namespace wring::speech {

struct Smoothing {
  float threshold = 0.5F;
  Micros average = 0;   // probabilities are means over so much time around each frame
  Micros bridge = 0;    // pauses up to this long belong to the speech around them
  Micros shortest = 0;  // speech shorter than this (before bridging) is none
};

// Means over a window around each frame.
std::vector<float> Averaged(std::span<const float> probabilities, Micros hop, Micros window);

// Frame i covers [i hop, (i + 1) hop); segments end by `length`.
std::vector<Span> SpansOf(std::span<const float> probabilities, Micros hop, Micros length,
                          const Smoothing& smoothing);

// Pauses of each speaker up to `bridge` become speech of his: the convention of labels made by turns.
std::vector<Segment> Bridged(std::vector<Segment> segments, Micros bridge);

}  // namespace wring::speech
