// What a speaker says in a turn: words of his recordings, one after another, from a random pause of a random one.
#pragma once

#include "speech/plan/draws.h"
#include "speech/plan/session_plan.h"

namespace wring::speech {

class Content {
 public:
  Content(const SourceCorpus& corpus, uint64_t seed, uint32_t session, uint32_t attempt)
      : corpus_(corpus), draws_(seed, session, Purpose::kContent, attempt) {}

  // Words of speaker `speaker` (of the corpus) whose length comes near `length`; at least one word.
  std::vector<Piece> OfLength(uint32_t speaker, Micros length);
  // `words` words, or fewer where they would pass `most`; at least one.
  std::vector<Piece> OfWords(uint32_t speaker, uint32_t words, Micros most);

 private:
  struct Limit {
    Micros length;
    uint32_t words;
    bool nearest;  // the last word may pass `length` where that comes nearer
  };
  std::vector<Piece> Gather(uint32_t speaker, const Limit& limit);
  Piece Start(uint32_t speaker);

  const SourceCorpus& corpus_;
  Draws draws_;
};

inline Micros LengthOf(const std::vector<Piece>& pieces) {
  return pieces.empty() ? 0 : pieces.back().at + pieces.back().to - pieces.back().from;
}

}  // namespace wring::speech
