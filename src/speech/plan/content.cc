#include "speech/plan/content.h"

#include <algorithm>
#include <cstdlib>

namespace wring::speech {
namespace {

// Words with so much quiet before them may begin a turn.
constexpr Micros kBoundary = 50 * kMillisecond;
// Of so many beginnings the one is taken whose length comes nearest: short turns have few words to choose from.
constexpr int kCandidates = 4;
constexpr uint32_t kMaxWords = 2000;

}  // namespace

// A random utterance from a random pause on; no word yet.
Piece Content::Start(uint32_t speaker) {
  const auto& of = corpus_.by_speaker[speaker];
  const uint32_t id = of[draws_.Below(static_cast<uint32_t>(of.size()))];
  const auto& words = corpus_.utterances[id].words;
  std::vector<uint32_t> beginnings = {0};
  for (uint32_t w = 1; w < words.size(); ++w) {
    if (words[w].start - words[w - 1].end >= kBoundary) beginnings.push_back(w);
  }
  // Speech without pauses may begin at any word.
  const auto count = static_cast<uint32_t>(words.size());
  const uint32_t first = beginnings.size() > 1
                             ? beginnings[draws_.Below(static_cast<uint32_t>(beginnings.size()))]
                             : draws_.Below(count);
  return {id, first, first, words[first].start, words[first].start, 0};
}

std::vector<Piece> Content::Gather(uint32_t speaker, const Limit& limit) {
  std::vector<Piece> pieces;
  uint32_t words = 0;
  while (words < limit.words && words < kMaxWords) {
    Piece piece = Start(speaker);
    if (!pieces.empty()) {
      const Piece& before = pieces.back();
      piece.at = before.at + before.to - before.from +
                 kMillisecond * static_cast<int64_t>(draws_.Uniform(30, 150));
    }
    const auto& of = corpus_.utterances[piece.utterance].words;
    bool full = false;
    while (piece.last < of.size() && words < limit.words) {
      const Micros now =
          piece.last == piece.first ? LengthOf(pieces) : piece.at + piece.to - piece.from;
      const Micros then = piece.at + of[piece.last].end - piece.from;
      const bool fits =
          then <= limit.length || (limit.nearest && then - limit.length < limit.length - now);
      if (!fits && words > 0) {
        full = true;
        break;
      }
      piece.to = of[piece.last].end;
      ++piece.last;
      ++words;
      if (!fits) {
        full = true;
        break;
      }
    }
    if (piece.last > piece.first) pieces.push_back(piece);
    if (full) break;
  }
  return pieces;
}

std::vector<Piece> Content::OfLength(uint32_t speaker, Micros length) {
  std::vector<Piece> best;
  for (int i = 0; i < kCandidates; ++i) {
    std::vector<Piece> pieces = Gather(speaker, {length, kMaxWords, true});
    if (best.empty() || std::llabs(LengthOf(pieces) - length) < std::llabs(LengthOf(best) - length))
      best = std::move(pieces);
    if (std::llabs(LengthOf(best) - length) * 50 <= length) break;
  }
  return best;
}

std::vector<Piece> Content::OfWords(uint32_t speaker, uint32_t words, Micros most) {
  return Gather(speaker, {most, words, false});
}

}  // namespace wring::speech
