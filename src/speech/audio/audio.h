// Sound in memory: float samples, full scale at 1, channels interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wring::speech {

struct Audio {
  uint32_t rate = 0;  // frames a second
  uint32_t channels = 1;
  std::vector<float> samples;

  size_t frames() const { return samples.size() / channels; }
  double seconds() const { return rate == 0 ? 0 : static_cast<double>(frames()) / rate; }
};

// The most channels that are read or written; a header that claims more is taken for damage.
inline constexpr uint32_t kMaxChannels = 64;

}  // namespace wring::speech
