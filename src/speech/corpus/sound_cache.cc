#include "speech/corpus/sound_cache.h"

#include <algorithm>
#include <cmath>

#include "speech/audio/audio_file.h"
#include "speech/audio/loudness.h"
#include "speech/audio/resample.h"
#include "speech/corpus/sources.h"

namespace wring::speech {

Result<std::shared_ptr<const Sound>> SoundCache::Read(uint32_t id) const {
  const SourceUtterance& u = corpus_.utterances[id];
  WRING_ASSIGN(const Audio audio, ReadSource(u));
  auto sound = std::make_shared<Sound>();
  const auto played = static_cast<uint32_t>(std::lround(audio.rate * u.speed));
  WRING_ASSIGN(sound->samples, Resample(Mono(audio), played, rate_));
  double energy = 0;
  size_t count = 0;
  for (const SourceWord& w : u.words) {
    const size_t end = std::min(SamplesOf(w.end, rate_), sound->samples.size());
    for (size_t i = SamplesOf(w.start, rate_); i < end; ++i, ++count)
      energy += static_cast<double>(sound->samples[i]) * static_cast<double>(sound->samples[i]);
  }
  sound->power = count > 0 ? energy / static_cast<double>(count) : 0;
  if (loudness_) sound->loudness = IntegratedLoudness(sound->samples, rate_);
  return std::shared_ptr<const Sound>(std::move(sound));
}

Result<std::shared_ptr<const Sound>> SoundCache::Get(uint32_t utterance) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(utterance); found != entries_.end()) {
      ages_.splice(ages_.begin(), ages_, found->second.age);
      return found->second.sound;
    }
  }
  WRING_ASSIGN(auto sound, Read(utterance));
  const std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(utterance); found != entries_.end())
    return found->second.sound;  // another thread was faster
  ages_.push_front(utterance);
  entries_[utterance] = {sound, ages_.begin()};
  bytes_ += sound->samples.size() * sizeof(float);
  while (bytes_ > most_bytes_ && ages_.size() > 1) {
    const auto oldest = entries_.find(ages_.back());
    bytes_ -= oldest->second.sound->samples.size() * sizeof(float);
    entries_.erase(oldest);
    ages_.pop_back();
  }
  return sound;
}

}  // namespace wring::speech
