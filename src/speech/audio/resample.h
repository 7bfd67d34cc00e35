// Changes the sampling rate of one channel with libsoxr (a FIR filter of linear phase, quality
// SOXR_HQ: 20 bits, passband to 0.91 of the smaller Nyquist frequency), loaded when it is first
// needed. The result depends on the input alone, not on threads or on calls before.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace wring::speech {

// Frame k of the result lies at time k / to, frame 0 at the input's frame 0. It has
// round(frames * to / from) frames, halves up. Equal rates copy.
Result<std::vector<float>> Resample(std::span<const float> mono, uint32_t from, uint32_t to);

// A file's channels averaged, at this rate.
Result<std::vector<float>> ReadMono(const std::string& path, uint32_t rate);

}  // namespace wring::speech
