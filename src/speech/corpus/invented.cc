#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "speech/corpus/source.h"
#include "speech/plan/draws.h"

namespace wring::speech {

SourceCorpus InventedCorpus(uint32_t speakers, uint64_t seed) {
  constexpr uint32_t kUtterances = 40, kWords = 24;
  SourceCorpus corpus;
  corpus.audible = false;
  for (uint32_t s = 0; s < speakers; ++s) corpus.speakers.push_back(fmt::format("speaker{:02}", s));
  for (uint32_t s = 0; s < speakers; ++s) {
    Draws draws(seed, s, Purpose::kWords);
    for (uint32_t u = 0; u < kUtterances; ++u) {
      SourceUtterance utterance{fmt::format("{}/{:02}", corpus.speakers[s], u), s, 0, {}};
      Micros at = 0;
      for (uint32_t w = 0; w < kWords; ++w) {
        const Micros length =
            kMillisecond * std::max<int64_t>(60, std::lround(1000 * draws.Gamma(0.34, 0.17)));
        utterance.words.push_back({at, at + length, fmt::format("w{}", w)});
        at += length;
      }
      utterance.length = at;
      corpus.Add(std::move(utterance));
    }
  }
  return corpus;
}

}  // namespace wring::speech
