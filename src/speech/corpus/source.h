// The speech that conversations are made of: who speaks, in which recordings, which words where.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "speech/labels/segment.h"

namespace wring::speech {

inline constexpr Micros kMillisecond = kMicrosPerSecond / 1000;

struct SourceWord {
  Micros start = 0, end = 0;  // within its utterance
  std::string text;
};

struct SourceUtterance {
  std::string key;       // a path, or SHARD:MEMBER in a tar shard
  uint32_t speaker = 0;  // index into SourceCorpus::speakers
  Micros length = 0;
  std::vector<SourceWord> words;  // at least one; ascending, not overlapping
  double speed = 1;               // how much faster it is played; words and length are after that
  uint64_t offset = 0, size = 0;  // of the member's bytes in the shard; size 0: the whole file
};

// Invariant: every speaker has at least one utterance, and every utterance a word.
struct SourceCorpus {
  std::vector<std::string> speakers;
  std::vector<SourceUtterance> utterances;
  std::vector<std::vector<uint32_t>> by_speaker;  // utterances of each speaker, ascending

  bool audible = true;  // false: words without sound, for plans alone

  // The speaker of this name, a new one where there is none.
  uint32_t Speaker(const std::string& name) {
    for (uint32_t s = 0; s < speakers.size(); ++s) {
      if (speakers[s] == name) return s;
    }
    speakers.push_back(name);
    by_speaker.emplace_back();
    return static_cast<uint32_t>(speakers.size() - 1);
  }
  void Add(SourceUtterance utterance) {
    by_speaker.resize(speakers.size());
    by_speaker[utterance.speaker].push_back(static_cast<uint32_t>(utterances.size()));
    utterances.push_back(std::move(utterance));
  }
};

// Speakers that are made up, for plans without sound: words of Gamma lengths of mean 0.34 s.
SourceCorpus InventedCorpus(uint32_t speakers, uint64_t seed);

}  // namespace wring::speech
