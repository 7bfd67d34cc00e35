// Background noise of any length from recordings of some.
#pragma once

#include "speech/plan/draws.h"
#include "speech/render/render.h"

namespace wring::speech {

// `frames` x `channels` interleaved samples: stretches of random sounds of the bank from random places, joined by cross-fades
// of 50 ms, each channel its own; white noise of unit power where the bank is empty. `names`: the sounds used.
std::vector<float> MakeNoise(const SoundBank& bank, size_t frames, uint32_t channels, Draws& draws,
                             std::vector<std::string>* names);

}  // namespace wring::speech
