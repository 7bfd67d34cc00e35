// Background noise of any length from recordings of some.
#pragma once

#include "speech/plan/draws.h"
#include "speech/render/render.h"

namespace wring::speech {

// `frames` x `channels` interleaved samples: stretches of random sounds of the bank from random places, joined by cross-fades
// of 50 ms, each channel its own; noise between white and brown where the bank is empty. `names`: the sounds used.
std::vector<float> MakeNoise(const SoundBank& bank, size_t frames, uint32_t channels, Draws& draws,
                             std::vector<std::string>* names);

// Adds short noises as people at a table make them, `per_minute` of them on the mean: knocks, clicks, rustles. Each is noise
// through a resonance of a random frequency that begins at once and dies away within 5 to 400 ms, 0 to 30 dB above the
// background's power, and some come in rows.
void AddClatter(std::vector<float>& noise, uint32_t channels, uint32_t rate, double per_minute,
                Draws& draws);

}  // namespace wring::speech
