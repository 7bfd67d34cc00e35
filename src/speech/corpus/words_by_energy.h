// Where a recording without an alignment has sound: stretches louder than its own background, which stand for words.
#pragma once

#include <span>
#include <vector>

#include "speech/corpus/source.h"

namespace wring::speech {

// Stretches in whole milliseconds, none where all is silent. Frames of 10 ms count as sound within 35 dB of the loudest
// and 6 dB above the quietest tenth; gaps up to 120 ms join, stretches under 60 ms are clicks.
std::vector<SourceWord> WordsByEnergy(std::span<const float> samples, uint32_t rate);

// How far the quietest tenth of the frames lies below the loudest fiftieth, in dB: a recording made in a quiet room has 35
// and more. 0 where there are no frames.
double DynamicRangeDb(std::span<const float> samples, uint32_t rate);

}  // namespace wring::speech
