// The sounds of a corpus at one rate, read when they are needed and kept while there is room.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "speech/corpus/source.h"

namespace wring::speech {

struct Sound {
  std::vector<float> samples;  // one channel
  double power = 0;            // mean square within words
  double loudness = -70;       // LUFS of the whole; measured only where asked for
};

// Safe to use from several threads. What it gives does not depend on what was asked before.
class SoundCache {
 public:
  // `corpus` must outlive the cache.
  SoundCache(const SourceCorpus& corpus, uint32_t rate, uint64_t most_bytes, bool loudness)
      : corpus_(corpus), rate_(rate), most_bytes_(most_bytes), loudness_(loudness) {}

  Result<std::shared_ptr<const Sound>> Get(uint32_t utterance);

 private:
  Result<std::shared_ptr<const Sound>> Read(uint32_t utterance) const;

  const SourceCorpus& corpus_;
  uint32_t rate_;
  uint64_t most_bytes_;
  bool loudness_;
  std::mutex mutex_;
  uint64_t bytes_ = 0;
  struct Entry {
    std::shared_ptr<const Sound> sound;
    std::list<uint32_t>::iterator age;
  };
  std::unordered_map<uint32_t, Entry> entries_;
  std::list<uint32_t> ages_;  // the one used last at the front
};

// Samples of a span in whole milliseconds: exact at multiples of 1,000 Hz, else to the nearest.
inline size_t SamplesOf(Micros time, uint32_t rate) {
  return static_cast<size_t>((time * static_cast<int64_t>(rate) + kMicrosPerSecond / 2) /
                             kMicrosPerSecond);
}

}  // namespace wring::speech
