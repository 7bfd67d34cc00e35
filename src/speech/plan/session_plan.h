// A conversation before it is sound: who says which words when. Planning touches no sound and rendering decides
// nothing, so a plan is the whole truth on a session's timing and labels.
//
// Times are whole milliseconds (kMillisecond), so labels in text and samples at any multiple of 1,000 Hz are exact.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "speech/corpus/source.h"
#include "speech/labels/ctm.h"
#include "speech/labels/statistics.h"

namespace wring::speech {

// Words [first, last) of an utterance, which lie there at [from, to); `at`: when they begin, from the turn's start.
struct Piece {
  uint32_t utterance = 0;
  uint32_t first = 0, last = 0;
  Micros from = 0, to = 0;
  Micros at = 0;
};

enum class TurnKind : uint8_t { kFirst, kSamePause, kChangePause, kChangeOverlap, kEmbedded };
const char* Name(TurnKind kind);

struct Turn {
  uint32_t speaker = 0;  // index into SessionPlan::speakers
  TurnKind kind = TurnKind::kFirst;
  std::vector<Piece> pieces;
  Micros start = 0;
  Micros length() const {
    return pieces.empty() ? 0 : pieces.back().at + pieces.back().to - pieces.back().from;
  }
  Micros end() const { return start + length(); }
};

struct SessionPlan {
  std::string name;
  uint32_t index = 0;
  std::vector<uint32_t> speakers;  // in the corpus
  std::vector<Turn> turns;         // by start
  Micros length = 0;
  double wanted_seconds = 0, wanted_silence = 0, wanted_overlap = 0;
  double silence = 0, overlap = 0;  // as the labels have them
  double pause_scale = 1, overlap_scale = 1;
  uint32_t attempts = 1;
  std::string infeasible;  // why the wanted shares were not met; empty: they were
};

// Pauses between words longer than this part a turn into several segments.
inline constexpr Micros kSplitPause = 200 * kMillisecond;

// Where a turn has speech, from the turn's start: words of its pieces, joined across pauses up to kSplitPause.
struct Run {
  Micros start, end;
};
std::vector<Run> RunsOf(const Turn& turn, const SourceCorpus& corpus);

// The labels: segments by start, words by start.
Recording SegmentsOf(const SessionPlan& plan, const SourceCorpus& corpus);
std::vector<Word> WordsOf(const SessionPlan& plan, const SourceCorpus& corpus);

nlohmann::json ToJson(const SessionPlan& plan, const SourceCorpus& corpus);

}  // namespace wring::speech
