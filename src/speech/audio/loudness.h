// How loud a mono signal is, in decibels relative to full scale (an amplitude of 1).
//
// Three measures: the level of the parts that are active, for scaling speech against noise without
// counting its pauses; the integrated loudness of ITU-R BS.1770-4, for scaling anything to the ear;
// K-weighting, its filter. Silence has a level of minus infinity.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "speech/audio/biquad.h"

namespace wring::speech {

// RMS over the frames of 20 ms (the last may be shorter) that lie no more than 15.9 dB below that
// very RMS: the margin of ITU-T P.56, found as it does by raising the threshold until it holds. 0
// dB is the RMS of a full-scale square wave.
double ActiveLevelDb(std::span<const float> samples, uint32_t rate);

// The two sections of BS.1770-4's K-weighting (head shelf, then high-pass) at any rate: bilinear
// transforms of the analogue filters that the standard's 48 kHz coefficients come from.
std::vector<Biquad> KWeighting(uint32_t rate);

// LUFS of one channel: blocks of 400 ms every 100 ms, those above -70 LUFS, of them those above 10
// LU below their mean. A 997 Hz sine of amplitude 1 has -3.01 (within 0.05 at rates of 8 to 96
// kHz). A signal shorter than a block is one block.
double IntegratedLoudness(std::span<const float> samples, uint32_t rate);

}  // namespace wring::speech
