#include "speech/render/noise.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "speech/audio/biquad.h"
#include "speech/audio/resample.h"

namespace wring::speech {
namespace {

// Of unit power, so that a loud recording does not drown the next.
void AddStretch(const std::vector<float>& sound, size_t from, size_t at, size_t fade, size_t frames,
                std::vector<float>* out) {
  double energy = 1e-20;
  for (size_t i = from; i < sound.size(); ++i)
    energy += static_cast<double>(sound[i]) * static_cast<double>(sound[i]);
  const double gain = std::sqrt(static_cast<double>(sound.size() - from) / energy);
  const size_t count = std::min(sound.size() - from, frames - at);
  for (size_t i = 0; i < count; ++i) {
    // Equal power: squares of the two ramps add up to 1.
    double ramp = 1;
    if (at > 0 && i < fade) ramp = std::sqrt(static_cast<double>(i) / static_cast<double>(fade));
    const size_t left = sound.size() - from - i;
    if (left <= fade) ramp = std::sqrt(static_cast<double>(left) / static_cast<double>(fade));
    (*out)[at + i] += static_cast<float>(gain * ramp * static_cast<double>(sound[from + i]));
  }
}

}  // namespace

std::vector<float> MakeNoise(const SoundBank& bank, size_t frames, uint32_t channels, Draws& draws,
                             std::vector<std::string>* names) {
  std::vector<float> noise(frames * channels);
  if (bank.sounds.empty()) {
    // y = a y + x: a = 0 is white, near 1 falls by 6 dB an octave.
    names->push_back("synthetic");
    const double a = draws.Uniform() < 0.3 ? 0 : draws.Uniform(0, 0.98);
    for (uint32_t c = 0; c < channels; ++c) {
      double y = 0;
      for (size_t i = 0; i < frames; ++i) {
        y = a * y + draws.Normal();
        noise[i * channels + c] = static_cast<float>(y);
      }
    }
    return noise;
  }
  constexpr size_t kFade = 800;  // samples: 50 ms at 16 kHz
  std::vector<float> one(frames);
  for (uint32_t c = 0; c < channels; ++c) {
    std::fill(one.begin(), one.end(), 0.0F);
    size_t at = 0;
    while (at < frames) {
      const uint32_t id = draws.Below(static_cast<uint32_t>(bank.sounds.size()));
      const auto& sound = bank.sounds[id];
      const size_t fade = std::min(kFade, sound.size() / 4);
      const size_t from = draws.Below(static_cast<uint32_t>(std::max<size_t>(1, sound.size() / 2)));
      AddStretch(sound, from, at, std::max<size_t>(1, fade), frames, &one);
      at += std::max<size_t>(1, sound.size() - from - fade);
      if (std::find(names->begin(), names->end(), bank.names[id]) == names->end())
        names->push_back(bank.names[id]);
    }
    for (size_t i = 0; i < frames; ++i) noise[i * channels + c] = one[i];
  }
  return noise;
}

void AddClatter(std::vector<float>& noise, uint32_t channels, uint32_t rate, double per_minute,
                Draws& draws) {
  const size_t frames = noise.size() / channels;
  if (frames == 0 || per_minute <= 0) return;
  double power = 1e-20;
  for (const float x : noise) power += static_cast<double>(x) * static_cast<double>(x);
  const double background = std::sqrt(power / static_cast<double>(noise.size()));
  const double gap = 60.0 * rate / per_minute;  // frames from one to the next, on the mean
  double at = -gap * std::log(draws.Uniform());
  while (at < static_cast<double>(frames)) {
    const double decay = rate * 0.005 * std::pow(80.0, draws.Uniform());
    const double gain = background * std::pow(10.0, draws.Uniform(0, 30) / 20);
    const double low = draws.Uniform(100, 1500), high = draws.Uniform(low + 500, rate * 0.45);
    BiquadFilter pass_high(HighPass(low, rate, kButterworth2)),
        pass_low(LowPass(high, rate, kButterworth2));
    const auto length = std::min(static_cast<size_t>(6 * decay), frames - static_cast<size_t>(at));
    for (size_t i = 0; i < length; ++i) {
      const double x = gain * std::exp(-static_cast<double>(i) / decay) *
                       pass_low.Next(pass_high.Next(draws.Normal()));
      for (uint32_t c = 0; c < channels; ++c)
        noise[(static_cast<size_t>(at) + i) * channels + c] += static_cast<float>(x);
    }
    // One in three is followed at once by another of its kind: steps, typing, papers.
    at +=
        draws.Uniform() < 0.33 ? rate * draws.Uniform(0.05, 0.4) : -gap * std::log(draws.Uniform());
  }
}

Result<SoundBank> LoadBank(const std::vector<std::string>& paths, uint32_t rate) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (it->is_regular_file()) files.push_back(it->path().string());
    }
    if (error)
      return Error(Code::kIo, "{}: cannot be listed ({}); check its name and rights", path,
                   error.message());
  }
  std::sort(files.begin(), files.end());
  SoundBank bank;
  for (const std::string& file : files) {
    WRING_ASSIGN(auto samples, ReadMono(file, rate));
    if (samples.size() < rate / 100)
      return Error(Code::kInvalid, "{}: is shorter than 10 ms; leave it out", file);
    bank.sounds.push_back(std::move(samples));
    bank.names.push_back(fs::path(file).filename().string());
  }
  if (bank.sounds.empty())
    return Error(Code::kInvalid, "{} holds no audio file", fmt::join(paths, ", "));
  return bank;
}

Result<SoundBank> LoadResponses(const std::vector<std::string>& paths, uint32_t rate) {
  WRING_ASSIGN(SoundBank bank, LoadBank(paths, rate));
  for (auto& sound : bank.sounds) {
    double energy = 1e-20;
    for (const float x : sound) energy += static_cast<double>(x) * static_cast<double>(x);
    const auto scale = static_cast<float>(1 / std::sqrt(energy));
    for (float& x : sound) x *= scale;
  }
  return bank;
}

}  // namespace wring::speech
