// A picture of a recording: its wave, with segments marked over it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "speech/labels/segment.h"

namespace wring::speech {

struct Mark {
  std::string name;
  std::vector<Span> spans;
};

// SVG; `marks` lie as bars below the wave, a row each.
std::string WaveSvg(const std::string& title, std::span<const float> samples, uint32_t rate,
                    const std::vector<Mark>& marks);

}  // namespace wring::speech
