// Diarization error rate (DER), as NIST's md-eval counts it (NIST, "The 2009 (RT-09) Rich
// Transcription Meeting Recognition Evaluation Plan"). At each moment of the scored time let R
// speakers of the reference and H of the hypothesis speak, C of them the same under a one-to-one
// mapping of speakers:
//   miss = max(0, R - H)   false alarm = max(0, H - R)   confusion = min(R, H) - C   total = R
// integrated over time; DER = (miss + false alarm + confusion) / total. It can exceed 1.
//
// The mapping is the one with the greatest common time over the evaluated region, before collars
// and overlaps are left out (md-eval), so that what is scored does not choose it.
//
// Jaccard error rate (DIHARD II, Ryant et al. 2019): for each speaker of the reference
// 1 - common / united time with the partner in the mapping, 1 without one; the mean over speakers.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"
#include "speech/labels/uem.h"
#include "speech/score/region.h"

namespace wring::speech {

// The most speakers of either side; the mapping takes their number to the third power.
inline constexpr size_t kMaxScoredSpeakers = 1000;

struct DiarizationScore {
  Micros scored = 0;  // time that was looked at; the others are speaker time within it
  Micros total = 0, miss = 0, false_alarm = 0, confusion = 0;
  std::vector<std::pair<std::string, std::string>> mapping;  // reference, hypothesis; by reference
  uint32_t speakers = 0;                                     // of the reference with scored time
  double jaccard_sum = 0;                                    // of their Jaccard errors

  Micros errors() const { return miss + false_alarm + confusion; }
  // Where the reference is silent: 0 without errors, else 1.
  double rate() const;
  double jaccard() const;
  // Adds up the times; the mapping is a recording's own and becomes empty.
  DiarizationScore& operator+=(const DiarizationScore& other);
};

Result<DiarizationScore> ScoreDiarization(const Recording& reference, const Recording& hypothesis,
                                          const ScoreOptions& options = {});

struct NamedScore {
  std::string recording;
  DiarizationScore score;
};
struct CorpusScore {
  DiarizationScore sum;
  std::vector<NamedScore> recordings;  // as the reference orders them
};

// Recordings by name; one that the hypothesis lacks is all missed. With a UEM (else nullptr) it
// must name every recording, and what it names and only the hypothesis has is scored against
// silence; without it that is refused.
Result<CorpusScore> ScoreDiarizations(const std::vector<Recording>& references,
                                      const std::vector<Recording>& hypotheses,
                                      const ScoreOptions& options = {}, const Uem* uem = nullptr);

}  // namespace wring::speech
